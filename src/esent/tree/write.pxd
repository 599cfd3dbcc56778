# What other compiled modules call without the interpreter in between.

from esent.pages.cache cimport CachedPage
from esent.tree.live cimport NodeStore, TreeName, Writer


cdef class Position:
    cdef readonly CachedPage page
    cdef readonly Py_ssize_t line
    cdef readonly long long dbtime
    cdef readonly int flags
    cdef readonly bytes key
    cdef readonly bytes data


cdef class WritableTree:
    cdef readonly NodeStore store
    cdef readonly long long objid
    cdef readonly long long root
    cdef readonly bint unique
    cdef readonly int density
    cdef readonly TreeName name
    cdef bytes _objid_bytes
    cdef CachedPage _near
    cdef long long _near_dbtime
    cdef bytes _near_bookmark
    cdef bint _stays
    cdef bytes _found_key
    cdef bytes _found_data
    cdef Py_ssize_t _found

    cdef CachedPage _leaf(self, bytes bookmark)
    cdef Py_ssize_t _locate(self, bytes key, bytes data)
    cdef bint _still_found(self, bytes key, bytes data)
    cdef _done(self, CachedPage page, Py_ssize_t found)
    cdef bytes _bookmark(self, bytes key, bytes data)
    cdef Position _at_least(self, bytes key, bytes data)
    cdef Position _forward(self, CachedPage page, Py_ssize_t line)
    cdef Position _backward(self, CachedPage page, Py_ssize_t line)
    cpdef Position find(self, bytes key, bytes data=*)
    cpdef long long page_of(self, bytes key, bytes data_bookmark=*)
    cpdef int insert(self, Writer writer, bytes key, bytes data, long long rceid=*)
    cpdef int replace(self, Writer writer, bytes key, bytes data_bookmark, bytes new_data, long long rceid=*)
    cpdef int flag_delete(self, Writer writer, bytes key, bytes data_bookmark=*, long long rceid=*)
    cdef Py_ssize_t _line(self, Writer writer, bytes key, bytes data)
    cdef CachedPage _leaf_found(self)
    cdef bint _can_grow(self, CachedPage page, Py_ssize_t line, bytes data)
