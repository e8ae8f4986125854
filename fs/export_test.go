package fs

// OneByOne has this process handle one request at a time, for a test: a delivery must need
// none that waits for another. Publishing does, so nobody can do it then.
func OneByOne() { oneByOne = true }

// InMount has do called where the courier is when it carries out an order.
func InMount(mountpoint string, do func()) error {
	device, err := mountedDevice(mountpoint)
	if err != nil {
		return err
	}
	return order{Mount: mountpoint, Device: device}.inMount(func(int) { do() })
}
