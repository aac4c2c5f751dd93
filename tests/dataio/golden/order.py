"""Prints the known answers of order_test.cc: the data order, on Python's integers."""

MASK = (1 << 64) - 1


class SplitMix:
    def __init__(self, state):
        self.state = state & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, bound):
        threshold = (1 << 64) % bound
        while True:
            product = self.next() * bound
            if (product & MASK) >= threshold:
                return product >> 64


def permutation(rows, seed, epoch):
    order = list(range(rows))
    random = SplitMix(SplitMix(seed).next() ^ SplitMix(~epoch).next())
    for left in range(rows, 1, -1):
        at = random.below(left)
        order[left - 1], order[at] = order[at], order[left - 1]
    return order


for case in ((8, 1, 0), (8, 1, 1), (5, (1 << 64) - 1, 7)):
    print(case, ", ".join(map(str, permutation(*case))))
