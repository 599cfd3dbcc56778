# What other compiled modules call without the interpreter in between.

from esent.engine.statistics cimport Counters
from esent.log.sink cimport RecordSink
from esent.log.writer cimport LogStream


cdef class InstanceLog(RecordSink):
    cdef readonly object instance
    cdef readonly LogStream stream
    cdef public object started_at
    cdef public bint failed
    cdef bint _deep
    cdef bint _too_deep
    cdef object _path
    cdef object _guard
    cdef object _live
    cdef object _counters

    cdef int _count(self, Py_ssize_t records, Py_ssize_t size)
