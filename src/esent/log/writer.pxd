# What other compiled modules call without the interpreter in between.

from esent.log.buffer cimport SegmentBuffer
from esent.log.sink cimport RecordSink


cdef class LogStream(RecordSink):
    cdef public object place
    cdef public object header
    cdef public object settings
    cdef public bint recovering
    cdef public object attachments
    cdef public object checkpoint
    cdef public object on_new_generation
    cdef public object keep_from
    cdef object _file
    cdef object _mutex
    cdef object _changed
    cdef bint _busy
    cdef bint _rolling
    cdef long long _roller
    cdef object _failure
    cdef public bint _quiesced
    cdef public double _last_try
    cdef bint _closed
    cdef unsigned long long _accumulated
    cdef SegmentBuffer _buffer
    cdef Py_ssize_t _unsynced
    cdef Py_ssize_t _tail_on_disk
    cdef object _durable
    cdef bint _usual

    cpdef append_at_once(self, bytes image)
    cpdef list append_images_at_once(self, images, Py_ssize_t size)
