"""What goes into the parcel of a new customer."""
