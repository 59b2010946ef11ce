"""Speed, measured beside the plain tools. ``make bench`` runs all of it; docs/benchmarks.md says what is compared."""
