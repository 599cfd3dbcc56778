from esent.engine.cores cimport CursorCore, SessionCore
from esent.engine.index_entries cimport RecordKeyPlan, Upkeep
from esent.engine.record_buffer cimport RecordBuffer
from esent.versions.store cimport Transaction


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


cpdef bytes make_unwatched(object cursor, object grbit)
cpdef int delete_unwatched(object cursor)
