package model

const (
	circle  = "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z"
	square  = "M-3.5,-3.5h7v7h-7z"
	diamond = "M0,-5l5,5l-5,5l-5,-5z"
)

// style has colours that people tell apart who see few, on a ground of its own, as a page may be dark.
const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #24292f }
.grid { stroke: #d8dee4 }
.tick { stroke: #57606a }
.limit { stroke: #8c959f; stroke-dasharray: 3 4 }
.all { color: #0072b2 }
.half { color: #b34700 }
.each { color: #007a5a }
text.all, text.half, text.each, .marker { fill: currentColor }
polyline { fill: none; stroke: currentColor; stroke-width: 2 }
</style>`

var (
	times = panel{top: 52, height: 210, step: 50, most: 250, unit: "ms"}
	sent  = panel{top: 332, height: 84, step: 2, most: 6, unit: "KB"}

	timeCurves = []curve{
		{name: "all", of: func(r results) float64 { return float64(r.all.Milliseconds()) }, marker: circle},
		{name: "half", of: func(r results) float64 { return float64(r.half.Milliseconds()) }, marker: square, below: true},
	}
	sentCurve = curve{name: "each", of: func(r results) float64 { return r.sent / 1000 }, digits: 1, marker: diamond}
)

// Plot returns an SVG: how long it takes, by the number of nodes, until half of them have news, and all, and
// what each node sends for it.
func Plot() string {
	d := &drawing{}
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" width="740" height="450" viewBox="0 0 740 450" role="img">`)
	d.add("<title>%s</title>\n%s", Caption(), style)
	d.add(`<rect x="0.5" y="0.5" width="739" height="449" rx="8" fill="#ffffff" stroke="#d0d7de"/>`)
	times.axes(d, "Time until half of the nodes have a new version, and all of them, by their number")
	d.text("note", "middle", (left+times.x(all))/2, times.top+17, "each connected to each")
	d.text("note", "middle", (times.x(all)+right)/2, times.top+17, "each chooses 12 others")
	sent.axes(d, "Sent for it by each node")
	for _, some := range resultsOfAll() {
		for _, c := range timeCurves {
			c.draw(d, times, some)
		}
		sentCurve.draw(d, sent, some)
	}
	for _, c := range timeCurves {
		c.label(d, times)
	}
	d.add("</svg>")
	return d.String()
}
