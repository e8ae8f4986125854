package test

import (
	"fmt"
	"strings"
	"testing"
)

// unboundConf has the pattern so that unbound starts, too, when the file is not
// there.
const unboundConf = `server:
    local-zone: "mesh.test." static
    local-data: "up.mesh.test. A 192.0.2.100"
    include: "` + local + `/dns/cname[s]"
remote-control:
    control-enable: yes
    control-interface: /run/unbound.ctl
`

// unbound answers from the records in a file: another one, the first one again,
// none, and again.
func (s *site) unbound(t *testing.T) {
	s.write("unbound.conf", unboundConf)
	s.sh("cp /test/unbound.conf /etc/unbound/ && echo nameserver 127.0.0.1 > /etc/resolv.conf")
	s.run("systemctl", "start", "unbound.service")
	s.startReload("unbound-reload", "dns/cnames", "/usr/sbin/unbound-checkconf", "/usr/sbin/unbound-control reload")
	for _, address := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.1", "", "192.0.2.1"} {
		record := ""
		if address != "" {
			record = fmt.Sprintf("local-data: \"web.mesh.test. A %s\"\n", address)
		}
		s.awaitUnit("unbound-reload.path", "waiting")
		s.remotely("dns/cnames", record)
		s.answers(address, s.resolve)
	}
}

// resolve asks the name server, as any program does. No address is an answer,
// when it has one for what its own configuration says.
func (s *site) resolve() (string, error) {
	out, err := s.try("sh", "-c", "getent hosts up.mesh.test > /dev/null || exit; getent hosts web.mesh.test || true")
	address, _, _ := strings.Cut(out, " ")
	return address, err
}
