"""The call to GeeTest."""
