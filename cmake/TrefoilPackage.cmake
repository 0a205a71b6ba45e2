# Filled in by packaging: CPack.
