package hostiletest

import (
	"context"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// attack is what is done: prepare says what the member answers, act is repeated for each node.
type attack struct {
	prepare func(context.Context, *Member) error
	act     func(ctx context.Context, m *Member, node peer.ID, round int)
}

var attacks = map[string]attack{
	"heads":     {nil, floodHeads},
	"garbage":   {nil, floodGarbage},
	"controls":  {nil, floodControls},
	"contents":  {nil, floodContents},
	"streams":   {nil, floodStreams},
	"contacts":  {prepareContacts, tellContacts},
	"restless":  {prepareRestless, tellContacts},
	"crowd":     {nil, crowd},
	"filler":    {prepareFiller, fill},
	"versions":  {nil, floodVersions},
	"stall":     {prepareStall, stall},
	"drip":      {prepareDrip, drip},
	"digests":   {prepareDigests, nil},
	"promises":  {preparePromises, nil},
	"lies":      {prepareLies, tellLies},
	"equivocal": {nil, equivocate},
	"stamps":    {nil, stamp},
	"rollback":  {prepareRollback, replay},
	"freeze":    {prepareFreeze, nil},
	"endless":   {prepareEndless, sayEndlessly},
	"mixed":     {prepareMixed, mix},
	"foreign":   {nil, forgeForeign},
	"forged":    {nil, forge},
	"knocks":    {nil, knock},
}

// Attacks lists what Attack takes.
func Attacks() []string { return slices.Sorted(maps.Keys(attacks)) }
