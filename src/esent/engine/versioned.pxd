from esent.versions.store cimport Chain, Transaction, TreeVersions, Version, VersionStore
