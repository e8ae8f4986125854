//go:build !linux

package replica

import "context"

// WatchMachine is for Config.Watch. Here it sees nothing: that the network has changed is noticed when
// connections fail.
func WatchMachine(context.Context, func()) error { return nil }
