package model_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"dmfs/replica/internal/model"
)

var update = flag.Bool("update", false, "write the plot anew")

// TestPlotIsOfTheModel: spread.svg is what the model draws. With -update it is written.
func TestPlotIsOfTheModel(t *testing.T) {
	plot := model.Plot()
	if *update {
		if err := os.WriteFile("spread.svg", []byte(plot), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if file := read(t, "spread.svg"); file != plot {
		t.Error("spread.svg is another one: go test ./replica/internal/model -update")
	}
}

// TestReadmeShowsThePlot with what it says as a text.
func TestReadmeShowsThePlot(t *testing.T) {
	image := "![" + model.Caption() + "](replica/internal/model/spread.svg)"
	if text := read(t, "../../../README.md"); !strings.Contains(text, "\n"+image+"\n") {
		t.Errorf("README.md does not have this line:\n%s", image)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestComparisonsBringWhatIsLost: nothing gets through but comparisons, by which all learn it.
func TestComparisonsBringWhatIsLost(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	s := model.Connect(1000, dice).Publish(model.News{Bytes: 1, Delay: time.Millisecond, Loss: 1}, dice)
	if s.Lost != 999 || s.Last() > time.Minute {
		t.Errorf("%d learnt it by comparing, the last one after %v", s.Lost, s.Last())
	}
}
