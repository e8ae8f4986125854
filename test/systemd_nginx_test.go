package test

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const nginxConf = `user www-data;
pid /run/nginx.pid;
events {}
http {
    access_log off;
    sendfile on;
    server {
        listen unix:/test/nginx.sock;
        root ` + local + `/www;
        include ` + local + `/www/site.con[f];
    }
}
`

// nginx serves files, for which nobody has to tell it anything, and has a part of
// its configuration in one.
func (s *site) nginx(t *testing.T) {
	s.write("nginx.conf", nginxConf)
	s.run("cp", "/test/nginx.conf", "/etc/nginx/nginx.conf")
	s.run("systemctl", "start", "nginx.service")
	s.startReload("nginx-reload", "www/site.conf", "/usr/sbin/nginx -t -q", "/bin/systemctl reload nginx.service")
	for _, answer := range []string{"one", "two", "one", "", "one"} {
		snippet, want := "", "404"
		if answer != "" {
			snippet, want = "location = /answer { return 200 "+answer+"; }\n", "200 "+answer
		}
		s.awaitUnit("nginx-reload.path", "waiting")
		s.remotely("www/site.conf", snippet)
		s.answers(want, func() (string, error) { return s.get("/answer") })
	}
	for _, page := range []string{strings.Repeat("long\n", 100_000), "short\n", strings.Repeat("long\n", 100_000)} {
		s.remotely("www/index.html", page)
		s.answers("200 "+page, func() (string, error) { return s.get("/") })
	}
}

// get asks nginx, and returns the code and, if that is 200, the body.
func (s *site) get(path string) (string, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.Dir, "nginx.sock"))
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Get("http://machine" + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return strconv.Itoa(response.StatusCode), err
	}
	return "200 " + string(body), err
}
