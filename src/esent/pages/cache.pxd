# What other compiled modules reach without the interpreter in between.

from esent.pages.edit cimport MutablePage


cdef class CachedPage(MutablePage):
    cdef public bint dirty
    cdef public long long generation
    cdef public object begun
    cdef public object modified
    cdef public list pending
    cdef public bint used

    cdef CachedPage _fresh(self)


cdef class BufferCache:
    cdef readonly Py_ssize_t page_size
    cdef public Py_ssize_t limit
    cdef readonly dict pages
    cdef readonly dict dirty
    cdef object _read
    cdef object _write

    cpdef CachedPage get(self, long long pgno)
    cpdef bint holds(self, CachedPage page)
    cpdef int changed(self, CachedPage page, object begun, object modified)
