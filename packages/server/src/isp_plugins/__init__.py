"""The host of the ISP Framework Plugin System."""
