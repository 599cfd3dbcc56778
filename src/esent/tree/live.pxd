# What other compiled modules reach without the interpreter in between.

from esent.pages.cache cimport CachedPage


cdef class Writer:
    cdef public long long procid
    cdef public int level
    cdef public long long trx_begin0
    cdef public int logged_level
    cdef public object begin_position
    cdef public int mark


cdef class TreeName:
    cdef readonly long long objid
    cdef readonly long long fdp
    cdef readonly bint unique
    cdef readonly bint space


cdef class Operation:
    cdef readonly int kind
    cdef readonly Py_ssize_t line
    cdef readonly bytes key
    cdef readonly bytes data
    cdef readonly long long rceid
    cdef readonly long long rceid_replace


cdef class SplitLevel:
    cdef readonly CachedPage page
    cdef public Py_ssize_t line
    cdef public long long pgno_new
    cdef readonly int kind
    cdef public int oper
    cdef readonly Py_ssize_t at
    cdef public Py_ssize_t count
    cdef public Py_ssize_t prefix_new
    cdef readonly Py_ssize_t prefix_left
    cdef readonly bytes prefix
    cdef readonly bytes key_parent
    cdef public CachedPage right
    cdef public CachedPage parent
    cdef readonly bint with_image


cdef class NodeStore:
    cdef readonly Py_ssize_t page_size
    cdef public long long growth
    cdef public long long fragment
    cdef public dict space_trees

    cpdef int begin(self, Writer writer)
    cpdef CachedPage get(self, long long pgno)
    cpdef bint holds(self, CachedPage page)
    cpdef int trim(self)
    cpdef Py_ssize_t reserved(self, CachedPage page, beside)
    cpdef int insert(
        self,
        Writer writer,
        TreeName name,
        CachedPage page,
        int line,
        int prefix,
        bytes suffix,
        bytes data,
        long long rceid,
    )
    cpdef int flag_insert(self, Writer writer, TreeName name, CachedPage page, int line, long long rceid)
    cpdef int replace(self, Writer writer, TreeName name, CachedPage page, int line, bytes data, long long rceid)
    cpdef int flag_delete(self, Writer writer, TreeName name, CachedPage page, int line, long long rceid)
    cpdef int delete(self, Writer writer, TreeName name, CachedPage page, int line)
