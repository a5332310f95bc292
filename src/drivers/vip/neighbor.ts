// Neighbour discovery (RFC 4861) for the floating IP, as arping does it for IPv4: who has this address, and "it is here now".
// Node opens no raw socket and a dom0 has no tool for it, but it has Python: xapi's storage manager is written in it.

import { isIPv6 } from "node:net";

export const PYTHON = "python3";

/** `ask` prints an answer as arping does; it asks once a second, COUNT times (0: for ever). Python 3.6 and later. */
const SCRIPT = `
import fcntl, select, socket, struct, sys, time

ICMP6 = socket.IPPROTO_ICMPV6
what, device, text = sys.argv[1:4]
address = socket.inet_pton(socket.AF_INET6, text)
link = socket.socket(socket.AF_INET6, socket.SOCK_RAW, ICMP6)
link.setsockopt(socket.SOL_SOCKET, 25, device.encode() + b'\\0')  # SO_BINDTODEVICE
mac = fcntl.ioctl(link, 0x8927, struct.pack('256s', device.encode()))[18:24]  # SIOCGIFHWADDR
index = socket.if_nametoindex(device)
# What came over a router is not to be believed (RFC 4861, 6.1 and 7.1): it has a hop limit below 255.
link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
# Of what arrives only neighbour advertisements (a set bit keeps a type out).
link.setsockopt(ICMP6, 1, struct.pack('=8L', *[0xffffffff & ~(1 << 136 % 32 if i == 136 // 32 else 0) for i in range(8)]))

def send(kind, flags, option, to):
    body = struct.pack('!BBHL', kind, 0, 0, flags) + address + struct.pack('BB', option, 1) + mac
    link.sendto(body, (to, 0, 0, index))

if what == 'announce':
    link.bind((text, 0))
    send(136, 0x20000000, 2, 'ff02::1')  # override
    sys.exit(0)

count = int(sys.argv[4])
group = 'ff02::1:ff%02x:%02x%02x' % tuple(address[-3:])
answered, asked = False, 0
while count == 0 or asked < count:
    send(135, 0, 1, group)
    asked += 1
    until = time.time() + 1.0
    while True:
        left = until - time.time()
        if left <= 0 or not select.select([link], [], [], left)[0]:
            break
        data, told, _, _ = link.recvmsg(1500, socket.CMSG_SPACE(4))
        hops = [struct.unpack('=i', value)[0] for _, kind, value in told if kind == socket.IPV6_HOPLIMIT]
        if hops != [255] or len(data) < 32 or data[8:24] != address or data[24] != 2:
            continue
        found = ':'.join('%02x' % b for b in data[26:32])
        print('Unicast reply from %s [%s]' % (text, found))
        sys.stdout.flush()
        answered = True
        if count != 0:
            sys.exit(1)
sys.exit(1 if answered else 0)
`;

export const announceArgs = (device: string, address: string): readonly string[] => [
  "-c",
  SCRIPT,
  "announce",
  device,
  address,
];

/** Exit codes as `arping -D` has them: 0 nobody answered, 1 somebody did; anything else is a mistake. */
export const askArgs = (device: string, address: string, count: number): readonly string[] => [
  "-c",
  SCRIPT,
  "ask",
  device,
  address,
  String(count),
];

/** The long-lived question for either family: prints `reply from ADDRESS [MAC]`, asks once a second. */
export const listenCommand = (
  device: string,
  address: string,
): { readonly file: string; readonly args: readonly string[] } =>
  isIPv6(address)
    ? { file: PYTHON, args: askArgs(device, address, 0) }
    : { file: "arping", args: ["-I", device, address] };
