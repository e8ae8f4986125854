package trust

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Version is the time that the signer chose, in nanoseconds since the Unix epoch, always
// greater than zero. Of two versions of one name the later one wins.
type Version int64

// VersionAt returns the version of a moment; it is not valid outside 1970 to 2262.
func VersionAt(t time.Time) Version { return Version(t.UnixNano()) }

// Time returns the moment of the version, in UTC.
func (v Version) Time() time.Time { return time.Unix(0, int64(v)).UTC() }

// timestamp returns the form that the trusted comment takes.
func (v Version) timestamp() string {
	seconds, rest := int64(v)/1e9, int64(v)%1e9
	if rest == 0 {
		return strconv.FormatInt(seconds, 10)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%09d", seconds, rest), "0")
}

// parseTimestamp reads seconds with up to nine fractional digits.
func parseTimestamp(s string) (Version, bool) {
	whole, fraction, dotted := strings.Cut(s, ".")
	if !digits(whole) || dotted && !digits(fraction) || len(fraction) > 9 {
		return 0, false
	}
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0, false
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil || seconds > (math.MaxInt64-nanos)/1e9 {
		return 0, false
	}
	v := Version(seconds*1e9 + nanos)
	return v, v > 0
}

// parseTTL reads a Go duration or whole seconds; a lifetime is longer than zero.
func parseTTL(s string) (time.Duration, bool) {
	if digits(s) {
		s += "s"
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0
}

// digits reports whether s is one or more ASCII digits.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
