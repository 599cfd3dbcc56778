# What other compiled modules reach without the interpreter in between.

cdef class ColumnPlace:
    cdef Py_ssize_t _fid
    cdef Py_ssize_t _start
    cdef Py_ssize_t _size
    cdef int _kind
    cdef bint _derived
    cdef bint _small
    cdef object _absent

    cpdef object value(self, bytes record)
