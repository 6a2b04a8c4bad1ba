"""Where findings, models and cases are kept."""

from pellucid.store.addresses import store_exists as store_exists
from pellucid.store.records import CaseRecord as CaseRecord
from pellucid.store.records import ModelRecord as ModelRecord
from pellucid.store.store import Store as Store
from pellucid.store.store import open_store as open_store
