"""Sources of packages, short to write."""

from isp_plugins.packages.values import Source, SourceKind


def upload(path, **more):
    return Source(SourceKind.UPLOAD, str(path), **more)


def folder(path):
    return Source(SourceKind.DIRECTORY, str(path))
