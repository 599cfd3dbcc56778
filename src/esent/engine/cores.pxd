from esent.tree.live cimport Writer


cdef class InstanceCore:
    cdef public object lock
    cdef public object state
    cdef public bint service_stopped
    cdef public object unavailable


cdef class SessionCore(Writer):
    cdef public bint read_only
    cdef public int _depth
    cdef public object _context
    cdef public unsigned long long _owner_thread


cdef class TableCore:
    cdef public long long epoch
    cdef public long long pending


cdef class CursorCore:
    cdef public object session
    cdef public object instance
    cdef public object lock
    cdef public object acquire
    cdef public object release
    cdef public object view
    cdef public dict setters
    cdef public object update
    cdef public list upkeep
    cdef public bint changes
    cdef public TableCore live
    cdef public long long epoch
