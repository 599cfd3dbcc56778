from esent.engine.cores cimport CursorCore, SessionCore
from esent.engine.record_buffer cimport RecordBuffer
from esent.engine.update cimport Update


cdef class Setter:
    cdef object _column
    cdef object _columnid
    cdef Py_ssize_t _fid
    cdef Py_ssize_t _start
    cdef int _kind
    cdef Py_ssize_t _least
    cdef Py_ssize_t _most
    cdef bint _long
    cdef tuple _key
    cdef int _flags
    cdef bytes _header

    cdef bint set(self, bint in_transaction, Update update, bytes value)


cpdef bint set_plain(object cursor, object columnid, bytes value)
