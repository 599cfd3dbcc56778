# What other compiled modules reach without the interpreter in between.

cdef class KeyPlan:
    cdef readonly object definition
    cdef list _segments
    cdef list _kinds
    cdef list _sizes
    cdef list _flips
    cdef Py_ssize_t _most
    cdef int _flags
    cdef bint _primary

    cpdef bytes key(self, object values)
