package model_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"dmfs/replica/internal/model"
)

// TestReadmeShowsTheTable: README.md has what the model prints. With -v it is printed.
func TestReadmeShowsTheTable(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	table := model.Table()
	t.Log("\n" + table)
	if !strings.Contains(string(readme), "\n"+table) {
		t.Errorf("README.md does not have this table:\n%s", table)
	}
}

// TestComparisonsBringWhatIsLost: nothing gets through but comparisons, by which all learn it.
func TestComparisonsBringWhatIsLost(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	s := model.Connect(1000, dice).Publish(model.News{Bytes: 1, Delay: time.Millisecond, Loss: 1}, dice)
	if s.Lost != 999 || s.Last() > time.Minute {
		t.Errorf("%d learnt it by comparing, the last one after %v", s.Lost, s.Last())
	}
}
