"""Recovery points as the catalogue has them: rows, manifests, holds, locks and their end."""
