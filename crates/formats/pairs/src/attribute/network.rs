//! V10: listening sockets and network filters.

use super::attributes;

attributes! { NETWORK:
    /// Of a listener: units whose `Listen` names it, lines `UNIT<tab>TYPE<tab>ADDRESS`; absent where none does | owners by sock_diag: lines `UNIT OR CGROUP<tab>UID`, `-` for an owner that no process has open; second: the same by /proc/net.
    LISTENER = 1001 V10 "listener", "Listen of socket units" | "sock_diag";
    /// Of a socket unit: lines `TYPE<tab>ADDRESS` | those of them that the kernel has, spelled as the unit spells them; `none`.
    LISTEN = 1002 V10 "listen", "Listen" | "sock_diag";
    /// `default`, `both`, `ipv6-only`.
    BIND_IPV6_ONLY = 1003 V10 "bind_ipv6_only", "BindIPv6Only" | "";
    /// Interface, or empty.
    BIND_TO_DEVICE = 1004 V10 "bind_to_device", "BindToDevice" | "";
    /// Lines `allow|deny<tab>ADDRESS/PREFIX` | programs attached to the cgroup: lines `ingress|egress<tab>TAG`; `none`.
    IP_ADDRESS_FILTER = 1005 V10 "ip_address_filter", "IPAddressAllow, IPAddressDeny" | "BPF_CGROUP_INET_INGRESS, EGRESS of the cgroup";
    /// Lines `allow|deny<tab>RULE` | lines `bind4|bind6<tab>TAG`; `none`.
    SOCKET_BIND_FILTER = 1006 V10 "socket_bind_filter", "SocketBindAllow, SocketBindDeny" | "BPF_CGROUP_INET4_BIND, INET6_BIND of the cgroup";
    /// First line `allow` or `deny`, then interfaces; `deny` alone = no filter | as [`IP_ADDRESS_FILTER`].
    RESTRICT_NETWORK_INTERFACES = 1007 V10 "restrict_network_interfaces", "RestrictNetworkInterfaces" | "BPF_CGROUP_INET_INGRESS, EGRESS of the cgroup";
    /// Pinned programs, lines `ingress|egress<tab>PATH` | as [`IP_ADDRESS_FILTER`].
    IP_FILTER_PATH = 1008 V10 "ip_filter_path", "IPIngressFilterPath, IPEgressFilterPath" | "";
    /// Of the host: SHA-256 of the nftables ruleset, as netlink gives it.
    NFTABLES = 1050 V10 "nftables", "" | "nfnetlink";
}
