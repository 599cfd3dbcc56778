from esent.pages.words cimport close_tag, fetch, get16, get32, open_tag, order, put16, put64, store
