"""What a hostile plugin would try by itself, one short piece of code each, and what shows that the attack is real: what the same code does without a sandbox.

What it would try with the host's help (forged messages, other plugins' keys) stands in `host_attacks`.
"""

import errno
import socket
from dataclasses import dataclass

SUCCEEDED = 0
SYSTEM_DENIES = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS})


@dataclass(frozen=True)
class Without:
    """What the same code does where nothing is denied by us: 0 (it succeeds), or the errors of a kernel that got as far as its arguments."""

    ends: frozenset[int]
    ordinary: frozenset[int] | None = None
    """For an ordinary user, where the system itself denies it to that one."""
    needs: str = ""
    """A value of the target without which it cannot be tried."""

    def ends_for(self, who):
        return self.ends if self.ordinary is None or who.starts_as == 0 else self.ordinary


SUCCEEDS = Without(frozenset({SUCCEEDED}))


@dataclass(frozen=True)
class Attack:
    """A piece of code, what it does without a sandbox, and how it is denied."""

    code: str
    without: Without = SUCCEEDS
    denied: frozenset[int] = SYSTEM_DENIES | {errno.EXDEV, errno.EROFS}


def unshare(flags):
    return f"if libc.unshare({flags:#x}): raise OSError(ctypes.get_errno(), '')"


def reaches(*errors):
    """It gets past every permission, as far as its senseless arguments."""
    return Without(frozenset(errors))


ROOT = Without(frozenset({SUCCEEDED}), ordinary=SYSTEM_DENIES | {SUCCEEDED})
"""The system itself denies it to (most) ordinary users; root succeeds."""
BY_SETTING = Without(SYSTEM_DENIES | {SUCCEEDED})
"""Whether the system denies it to everybody is a matter of its settings. For ping, `test_networks` sets them."""
UNLESS_ABSENT = reaches(SUCCEEDED, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT)
"""It succeeds where the kernel was built with it."""
IPV6 = Without(frozenset({SUCCEEDED}), needs="port6")
UNRESOLVED = frozenset({socket.EAI_AGAIN, socket.EAI_NONAME, socket.EAI_FAIL, socket.EAI_SYSTEM})
FILES = {
    "read the host's key file": Attack("open(target['key']).read()"),
    "read the host's database": Attack("open(target['database']).read()"),
    "read another plugin's folder": Attack("open(target['other']).read()"),
    "list the data directory": Attack("import os; os.listdir(target['data'])"),
    "read the host's environment": Attack("open(f\"/proc/{target['pid']}/environ\", 'rb').read()"),
    "read the host's command line": Attack("open(f\"/proc/{target['pid']}/cmdline\", 'rb').read()"),
    "read through a symbolic link": Attack(
        "import os; os.path.lexists('soft') or os.symlink(target['key'], 'soft'); open('soft').read()"
    ),
    "read through a hard link": Attack(
        "import os; os.path.exists('hard') or os.link(target['key'], 'hard'); open('hard').read()"
    ),
    "read through /proc/self/root": Attack("open('/proc/self/root' + target['key']).read()"),
    "read through /proc/self/cwd": Attack("open('/proc/self/cwd/../data/secrets.key').read()"),
    "read with openat2": Attack(
        "import os; fd = os.open(target['data'], os.O_PATH); os.open('secrets.key', os.O_RDONLY, dir_fd=fd)"
    ),
    "read the shadow file": Attack("open('/etc/shadow').read()", ROOT),
    "read the private keys of the system": Attack("import os; os.listdir('/etc/ssl/private')", ROOT),
    "read root's home": Attack("import os; os.listdir('/root')", ROOT),
    "append to the host's key file": Attack("open(target['key'], 'a')"),
    "make a file beside the host's": Attack("open(target['decoy'], 'w').write('the-host-secret-6f1c')"),
    "write to /tmp": Attack("import os; open('/tmp/sandbox-attack', 'w'); os.unlink('/tmp/sandbox-attack')"),
    "write to shared memory": Attack(
        "import os; open('/dev/shm/sandbox-attack', 'w'); os.unlink('/dev/shm/sandbox-attack')"
    ),
    "truncate the host's key file": Attack(
        "import os; os.truncate(target['key'], os.path.getsize(target['key']))"
    ),
    "change the mode of the host's key file": Attack("import os; os.chmod(target['key'], 0o600)"),
    "change the times of the host's key file": Attack("import os; os.utime(target['key'])"),
    "change the owner of the host's key file": Attack(
        "import os; os.chown(target['key'], os.getuid(), os.getgid())"
    ),
    "set an attribute of the host's key file": Attack(
        "import os; os.setxattr(target['key'], 'user.x', b'1')"
    ),
    "rename the host's key file away": Attack(
        "import os; os.rename(target['key'], 'stolen'); os.rename('stolen', target['key'])"
    ),
    "make a device": Attack(
        "import os, stat; os.mknod('device', stat.S_IFCHR | 0o666, os.makedev(1, 1))", ROOT
    ),
    "change the root": Attack(
        "import os; top, here = os.open('/', 0), os.getcwd(); os.chroot('.'); os.fchdir(top); os.chroot('.'); os.chdir(here)",
        ROOT,
    ),
    "open by handle": Attack("syscall(304, -100, 0, 0)", reaches(errno.EFAULT)),
    "watch the data directory": Attack(
        "fd = libc.inotify_init1(0)\nif fd < 0: raise OSError(ctypes.get_errno(), '')"
    ),
    "change its own interpreter": Attack("import os; os.chmod(os.__file__, 0o644)", ROOT),
    "read the host's mapped memory": Attack("open(f\"/proc/{target['pid']}/maps\").read()"),
    "list the host's descriptors": Attack("import os; os.listdir(f\"/proc/{target['pid']}/fd\")"),
}
NETWORK = {
    "connect to the host": Attack(
        "import socket; socket.create_connection(('127.0.0.1', target['port']), 5)"
    ),
    "connect from a thread": Attack(
        "import socket, concurrent.futures as f; f.ThreadPoolExecutor(1).submit(socket.create_connection, ('127.0.0.1', target['port']), 5).result()"
    ),
    "connect with fast open": Attack(
        "import socket; socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', target['port']))"
    ),
    "connect with fast open by message": Attack(
        "import socket; socket.socket().sendmsg([b'x'], [], 0x20000000, ('127.0.0.1', target['port']))"
    ),
    "connect with MPTCP": Attack(
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(('127.0.0.1', target['port']))"
    ),
    "connect with SCTP": Attack(
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)", UNLESS_ABSENT
    ),
    "send UDP": Attack(
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', target['udp']))"
    ),
    "connect to a unix socket": Attack(
        "import socket; socket.socket(socket.AF_UNIX).connect(target['unix'])"
    ),
    "connect to an abstract socket": Attack(
        "import socket; socket.socket(socket.AF_UNIX).connect('\\0' + target['abstract'])"
    ),
    "send to a unix socket from a pair": Attack(
        "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', target['datagram'])"
    ),
    "open a raw socket": Attack("import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", ROOT),
    "open a packet socket": Attack("import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", ROOT),
    "open a netlink socket": Attack("import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"),
    "open a vsock": Attack(
        "import socket; socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)", UNLESS_ABSENT
    ),
    "open the kernel's cryptography": Attack(
        "import socket; socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)", UNLESS_ABSENT
    ),
    "listen on a port": Attack("import socket; socket.socket().bind(('127.0.0.1', 0))"),
    "listen on whatever port": Attack("import socket; socket.socket().listen()"),
    "connect over IPv6": Attack("import socket; socket.create_connection(('::1', target['port6']), 5)", IPV6),
    "send UDP over IPv6": Attack(
        "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('::1', target['udp6']))",
        IPV6,
    ),
    "send UDP over IPv6 to an IPv4 address": Attack(
        "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('::ffff:127.0.0.1', target['udp']))",
        IPV6,
    ),
    "open a raw socket for IPv6": Attack(
        "import socket; socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)", ROOT
    ),
    "listen on a port of IPv6": Attack(
        "import socket; socket.socket(socket.AF_INET6).bind(('::1', 0))", IPV6
    ),
    "send to a datagram socket with a path": Attack(
        "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', target['datagram'])"
    ),
    "connect to an abstract socket from a pair": Attack(
        "import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].connect('\\0' + target['abstract_datagram'])"
    ),
    "use the kernel's socket for ping": Attack(
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)", BY_SETTING
    ),
    "use the kernel's socket for ping over IPv6": Attack(
        "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)", BY_SETTING
    ),
    "look a name up": Attack("import socket; socket.getaddrinfo('localhost', 80)", denied=UNRESOLVED),
}
PROCESSES = {
    "signal the host": Attack("import os; os.kill(target['pid'], 0)"),
    "signal everybody": Attack("import os; os.kill(-1, 0)"),
    "signal the host's group": Attack("import os; os.killpg(target['pid'], 0)"),
    "signal a thread of the host": Attack("syscall(234, target['pid'], target['pid'], 0)"),
    "signal the host by descriptor": Attack(
        "import os, signal; signal.pidfd_send_signal(os.pidfd_open(target['pid']), 0)"
    ),
    "signal the host by way of a socket": Attack(
        "import fcntl, socket; fcntl.fcntl(socket.socketpair()[0], 8, target['pid'])"
    ),
    "take a descriptor of the host": Attack(
        "import os; syscall(438, os.pidfd_open(target['pid']), 0, 0)", ROOT
    ),
    "attach to the host": Attack(
        "syscall(101, 16, target['pid'], 0, 0); import os; os.waitpid(target['pid'], 0x40000000); syscall(101, 17, target['pid'], 0, 0)",
        ROOT,
    ),
    "debug the host": Attack("syscall(101, 0x4206, target['pid'], 0, 0)", ROOT),
    "read the host's memory": Attack("open(f\"/proc/{target['pid']}/mem\", 'r+b')", ROOT),
    "read the host's memory directly": Attack("syscall(310, target['pid'], 0, 0, 0, 0, 0)", ROOT),
    "change the limits of the host": Attack(
        "import resource; resource.prlimit(target['pid'], resource.RLIMIT_NOFILE)"
    ),
    "make the host nicer": Attack("import os; os.setpriority(os.PRIO_PROCESS, target['pid'], 5)"),
    "pin the host to a processor": Attack(
        "import os; os.sched_setaffinity(target['pid'], os.sched_getaffinity(0))"
    ),
    "fork": Attack("import os\nif os.fork() == 0: os._exit(0)\nos.wait()"),
    "fork by a bare call": Attack("import os\nif syscall(56, 17, 0, 0, 0, 0) == 0: os._exit(0)\nos.wait()"),
    "fork by clone3": Attack("syscall(435, 0, 0)", reaches(errno.EINVAL)),
    "run a program": Attack("import subprocess; subprocess.run(['/bin/true'], check=True)"),
    "run a program by a shell": Attack("import os\nif os.system('true'): raise PermissionError(1, '')"),
    "become a program": Attack("syscall(59, ctypes.c_char_p(b'/nonexistent'), 0, 0)", reaches(errno.ENOENT)),
    "become a program by descriptor": Attack(
        "syscall(322, -1, ctypes.c_char_p(b'/nonexistent'), 0, 0, 0)", reaches(errno.ENOENT)
    ),
    "outlive the host": Attack("if libc.prctl(1, 0, 0, 0, 0): raise OSError(ctypes.get_errno(), '')"),
    "write the host's memory directly": Attack("syscall(311, target['pid'], 0, 0, 0, 0, 0)", ROOT),
}
KERNEL = {
    "io_uring": Attack("syscall(425, 8, ctypes.create_string_buffer(120))", BY_SETTING),
    "bpf": Attack(
        "syscall(321, 0, 0, 0)", Without(frozenset({errno.EINVAL}), ordinary=SYSTEM_DENIES | {errno.EINVAL})
    ),
    "performance events": Attack("syscall(298, 0, 0, -1, -1, 0)", reaches(errno.EFAULT, *SYSTEM_DENIES)),
    "page faults of its own": Attack("syscall(323, 1)", ROOT),
    "the kernel's keys": Attack("syscall(250, 0, -3, 0)", BY_SETTING),
    "a file without a name": Attack("import os; os.memfd_create('x')"),
    "shared memory": Attack("syscall(29, 0, 4096, 0o1600)"),
    "raise a limit": Attack(
        "import resource\ntry: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 50, 1 << 50))\nexcept ValueError as error: raise PermissionError(1, str(error))"
    ),
    "mount": Attack("syscall(165, 0, 0, 0, 0, 0)", reaches(errno.EFAULT)),
}
NAMESPACES = {
    "the host's namespace": Attack(
        "import os\nif libc.setns(os.open(f\"/proc/{target['pid']}/ns/net\", 0), 0): raise OSError(ctypes.get_errno(), '')",
        ROOT,
    ),
    "a namespace of users": Attack(unshare(0x10000000), ROOT),
    "a namespace of files": Attack(unshare(0x00020000), ROOT),
    "a namespace of the network": Attack(unshare(0x40000000), ROOT),
    "a namespace of processes": Attack(unshare(0x20000000), ROOT),
    "a namespace of names": Attack(unshare(0x04000000), ROOT),
    "a namespace of shared memory": Attack(unshare(0x08000000), ROOT),
    "a namespace of control groups": Attack(unshare(0x02000000), ROOT),
    "a namespace of clocks": Attack(unshare(0x00000080), ROOT),
    "a process in a namespace": Attack(
        "import os\nif syscall(56, 0x40000011, 0, 0, 0, 0) == 0: os._exit(0)\nos.wait()", ROOT
    ),
}
"""Last, and the one of users before the others: who has that may have them."""
ALL = FILES | NETWORK | PROCESSES | KERNEL | NAMESPACES
