"""What can go wrong with the monitoring itself, in the operator's words; a device that does not answer is no error."""

from isp_plugin_sdk import PluginSdkError


class MonitoringError(PluginSdkError):
    """The devices cannot be watched."""


class SettingsError(MonitoringError):
    """The configuration cannot be used: {problem}."""


class DeviceInvalidError(MonitoringError):
    """The device {device} cannot be watched: {problem}."""


class UnknownDeviceError(MonitoringError):
    """Device {device} is not watched, and the request names no address."""


class IcmpNotAllowedError(MonitoringError):
    """This process may not send ICMP echo requests ({problem}). Allow its group in the sysctl net.ipv4.ping_group_range, give it CAP_NET_RAW, or set method to tcp."""
