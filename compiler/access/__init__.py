"""Questions to one plan: may this caller do that, why, and who may at all; asked offline, answered by `schemas.decide`."""
