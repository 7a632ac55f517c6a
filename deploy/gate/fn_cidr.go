package gate

import (
	"math/big"
	"math/bits"
	"net/netip"
	"strconv"
)

const usageCidr = "Template error: every Fn::Cidr object requires three parameters, (1) an IP block, (2) a count between 1 and 256 " +
	"and (3) the number of subnet bits." // own words

// cidr is Fn::Cidr: count consecutive blocks with cidrBits host bits each. Without cidrBits the blocks are as large as
// count allows.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-cidr.html
func cidr(_ *Instance, args []Value) (Value, error) {
	block, err := netip.ParsePrefix(Text(args[0]))
	if err != nil {
		return nil, invalid("Template error: Fn::Cidr ipBlock %s is not a valid CIDR block", Text(args[0])) // own words
	}
	count, err := strconv.Atoi(Text(args[1]))
	if err != nil || count < 1 || count > 256 {
		return nil, invalid("%s", usageCidr)
	}
	free := block.Addr().BitLen() - block.Bits()
	hostBits := free - bits.Len(uint(count-1))
	if len(args) == 3 {
		if hostBits, err = strconv.Atoi(Text(args[2])); err != nil || hostBits < 0 {
			return nil, invalid("%s", usageCidr)
		}
	}
	if hostBits < 0 || hostBits > free || free-hostBits < bits.Len(uint(count-1)) {
		return nil, invalid("Template error: Fn::Cidr cannot fit %d blocks with %s subnet bits into %s", count, Text(args[len(args)-1]), block) // own words
	}
	return subnets(block.Masked(), count, hostBits), nil
}

func subnets(block netip.Prefix, count, hostBits int) List {
	next := new(big.Int).SetBytes(block.Addr().AsSlice())
	step := new(big.Int).Lsh(big.NewInt(1), uint(hostBits))
	out := make(List, count)
	for i := range out {
		raw := make([]byte, block.Addr().BitLen()/8)
		addr, _ := netip.AddrFromSlice(next.FillBytes(raw)) // 4 or 16 bytes: always an address
		out[i] = netip.PrefixFrom(addr, addr.BitLen()-hostBits).String()
		next.Add(next, step)
	}
	return out
}
