cdef class Handle:
    cdef public object target
    cdef object _serial


cdef class InstanceHandle(Handle):
    pass


cdef class SessionHandle(Handle):
    pass


cdef class TableHandle(Handle):
    pass
