from esent.engine.cores cimport SessionCore
from esent.tree.write cimport WritableTree
from esent.versions.store cimport Chain, Transaction, TreeVersions, Version, VersionStore
