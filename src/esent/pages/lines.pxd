# What other compiled modules reach without the interpreter in between.

from esent.pages.edit cimport MutablePage
from esent.pages.words cimport get16, put16, store


cdef class Lines:
    cdef readonly MutablePage page
    cdef readonly Py_ssize_t count
    cdef Py_ssize_t _own
    cdef bint _inserted
    cdef bytes _key
    cdef bytes _data
    cdef int _flags
    cdef Py_ssize_t _shared
    cdef Py_ssize_t _key_size
    cdef Py_ssize_t _rest

    cdef Py_ssize_t _line(self, Py_ssize_t line)
    cdef int _open(self, Py_ssize_t line)
    cdef Py_ssize_t _common(self, Py_ssize_t line, bytes prefix)
    cdef Py_ssize_t _stored(self, Py_ssize_t line, bytes prefix)
    cpdef Py_ssize_t size(self, Py_ssize_t first, Py_ssize_t last, bytes prefix)
    cpdef Py_ssize_t closest(self, Py_ssize_t first, Py_ssize_t last, bytes prefix)
