from esent.engine.cores cimport CursorCore, SessionCore
from esent.engine.record_buffer cimport RecordBuffer


cdef class Update:
    cdef readonly object cursor
    cdef public object mode
    cdef public int level
    cdef public RecordBuffer buffer
    cdef readonly bytes original
    cdef readonly bytes bookmark
    cdef readonly bint optimistic_level_0
    cdef public bint failed
    cdef readonly set touched
    cdef public dict pending
    cdef public dict references
    cdef readonly bint read_only
