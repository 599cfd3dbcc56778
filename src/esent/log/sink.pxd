# What other compiled modules call without the interpreter in between.

cdef class RecordSink:
    cdef public bint pressing

    cpdef append_image(self, bytes image)
    cpdef list append_images(self, images)
