from esent.records.access cimport ColumnPlace
from esent.records.keys cimport KeyPlan


cdef class RecordKeyPlan:
    cdef KeyPlan _plan
    cdef list _places

    cpdef bytes key(self, bytes image)


cdef class Upkeep:
    cdef readonly object index
    cdef readonly object tree
    cdef readonly object columns
    cdef RecordKeyPlan _plan

    cpdef bytes key(self, bytes image)
