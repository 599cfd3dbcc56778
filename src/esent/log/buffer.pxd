# What other compiled modules call without the interpreter in between.

from esent.pages.words cimport store


cdef class SegmentBuffer:
    cdef readonly long long generation
    cdef readonly Py_ssize_t isec
    cdef public Py_ssize_t ib
    cdef readonly Py_ssize_t last_usable
    cdef readonly bint marked
    cdef Py_ssize_t _filler
    cdef object _clock
    cdef list _segments
    cdef bytearray _current

    cpdef append_within(self, bytes data)
    cpdef append_at_once(self, bytes data)
    cpdef append(self, bytes data)
    cdef bytearray _open(self)
    cdef bint has_room_at_once(self, Py_ssize_t size)
