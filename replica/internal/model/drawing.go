package model

import (
	"fmt"
	"math"
	"strings"
)

// A drawing is an SVG that is being written.
type drawing struct{ strings.Builder }

// add adds an element, or a part of one.
func (d *drawing) add(format string, args ...any) {
	fmt.Fprintf(&d.Builder, format+"\n", args...)
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	d.add(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x1, y1, x2, y2)
}

// text is written beside (x, y): anchor says which end of it is there.
func (d *drawing) text(class, anchor string, x, y float64, words string) {
	d.add(`<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, class, anchor, x, y, words)
}

// A panel is a part of the drawing that has axes: from 10 nodes to 10,000, each ten times as wide as the last,
// and from nothing to most.
type panel struct {
	top, height float64
	step, most  float64 // of its unit
	unit        string
}

// All panels begin and end at the same places, and their curves somewhat further in.
const left, right, inset = 64.0, 700.0, 24.0

func (p panel) x(nodes int) float64 {
	return left + inset + (right-left-2*inset)*(math.Log10(float64(nodes))-1)/3
}

func (p panel) y(value float64) float64 { return p.top + p.height*(1-value/p.most) }

// axes draws them, with the panel's title above.
func (p panel) axes(d *drawing, title string) {
	d.text("title", "start", left, p.top-14, title)
	for value := 0.0; value <= p.most; value += p.step {
		d.line("grid", left, p.y(value), right, p.y(value))
		d.text("scale", "end", left-8, p.y(value)+4, fmt.Sprintf("%.0f %s", value, p.unit))
	}
	for nodes := 10; nodes <= 10000; nodes *= 10 {
		d.line("tick", p.x(nodes), p.y(0), p.x(nodes), p.y(0)+5)
		d.text("scale", "middle", p.x(nodes), p.y(0)+20, count(nodes))
	}
	d.line("limit", p.x(all), p.top-6, p.x(all), p.y(0))
}

// A curve is one number of results of all sizes.
type curve struct {
	name   string                // of its class, too
	of     func(results) float64 // in the panel's unit
	digits int                   // behind the point of its numbers
	below  bool                  // are these; else they are above
	marker string                // an SVG path around its place
}

// labelled are the sizes at which a curve has numbers.
var labelled = map[int]bool{10: true, all: true, 100: true, 1000: true, 10000: true}

// label writes the curve's name behind its end.
func (c curve) label(d *drawing, p panel) {
	large := resultsOfAll()[1]
	end := large[len(large)-1]
	d.text(c.name, "start", p.x(end.nodes)+12, p.y(c.of(end))+4, c.name)
}

// draw draws the curve through what is connected in one way, with a marker at each size.
func (c curve) draw(d *drawing, p panel, some []results) {
	var points []string
	for _, r := range some {
		x, y := p.x(r.nodes), p.y(c.of(r))
		points = append(points, fmt.Sprintf("%.1f,%.1f", x, y))
		d.add(`<path class="%s marker" transform="translate(%.1f %.1f)" d="%s"/>`, c.name, x, y, c.marker)
		if labelled[r.nodes] {
			d.text(c.name, "middle", x-shift(r.nodes), c.beside(y), fmt.Sprintf("%.*f", c.digits, c.of(r)))
		}
	}
	d.add(`<polyline class="%s" points="%s"/>`, c.name, strings.Join(points, " "))
}

func (c curve) beside(y float64) float64 {
	if c.below {
		return y + 19
	}
	return y - 10
}

// shift keeps the numbers of the last network before the limit off those behind it.
func shift(nodes int) float64 {
	if nodes == all {
		return 13
	}
	return 0
}

// count is a number with a comma before its thousands.
func count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
