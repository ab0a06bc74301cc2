"""The one way to change anything: preview, approval, intent, effect, outcome."""
