//! The random order that NumPy's older generator gives, in which published scores split their samples.

/// Words of the state of the Mersenne Twister.
const WORDS: usize = 624;

/// The distance of the words that a new one is made of.
const APART: usize = 397;

/// `numpy.random.RandomState(seed).permutation(n)`: the Mersenne Twister MT19937 (Matsumoto & Nishimura 1998)
/// begins with the seed, and the numbers 0…n−1 are shuffled from the end (Fisher–Yates), each place drawn by masking
/// a word and leaving out what is too large.
pub fn permutation(seed: u32, n: usize) -> Vec<usize> {
    let mut twister = Twister::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, twister.up_to(last));
    }
    order
}

struct Twister {
    state: [u32; WORDS],
    next: usize,
}

impl Twister {
    fn new(seed: u32) -> Self {
        let mut state = [seed; WORDS];
        for i in 1..WORDS {
            let before = state[i - 1];
            state[i] =
                1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(i as u32);
        }
        Self { state, next: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for i in 0..WORDS {
            let joined =
                (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % WORDS] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + APART) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// A number of 0…most, below 2³².
    fn up_to(&mut self, most: usize) -> usize {
        let mask = usize::MAX >> most.leading_zeros();
        loop {
            let drawn = self.word() as usize & mask;
            if drawn <= most {
                return drawn;
            }
        }
    }
}
