"""Django finds the template tags of an app here."""
