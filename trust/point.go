package trust

import (
	"math/big"
	"slices"
)

// The curve of ED25519: -x² + y² = 1 + d·x²·y² over the integers modulo p.
var (
	fieldPrime, _ = new(big.Int).SetString("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed", 16)
	curveD, _     = new(big.Int).SetString("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3", 16)
	one           = big.NewInt(1)
)

// pointFault says why a key is not one that a signer can have; nothing when it is. About half of
// all mistyped keys are not on the curve, and under a key of low order anybody can sign.
func pointFault(k Key) string {
	y := yOf(k)
	if y.Cmp(fieldPrime) >= 0 {
		return "is not in canonical form"
	}
	y2 := new(big.Int).Mul(y, y)
	dy2 := new(big.Int).Mul(curveD, y2)
	if lowOrder(y, y2, dy2) {
		return "is a point of low order, under which anybody can sign"
	}
	// x² = (y²-1)/(dy²+1) has a root when the product of the two has one.
	square := new(big.Int).Sub(y2, one)
	square.Mul(square, dy2.Add(dy2, one))
	if big.Jacobi(square.Mod(square, fieldPrime), fieldPrime) != 1 {
		return "is not a point of the curve"
	}
	return ""
}

// yOf returns the y coordinate, which a key holds in little-endian order below the sign of x.
func yOf(k Key) *big.Int {
	k[31] &= 0x7f
	slices.Reverse(k[:])
	return new(big.Int).SetBytes(k[:])
}

// lowOrder finds the points whose order divides 8: y = 0, 1, -1 and the roots of dy⁴ + 2y² = 1.
func lowOrder(y, y2, dy2 *big.Int) bool {
	sum := new(big.Int).Mul(dy2, y2)
	sum.Add(sum, y2).Add(sum, y2).Sub(sum, one).Mod(sum, fieldPrime)
	minus := new(big.Int).Sub(fieldPrime, one)
	return sum.Sign() == 0 || y.Sign() == 0 || y.Cmp(one) == 0 || y.Cmp(minus) == 0
}
