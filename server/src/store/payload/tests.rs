//! Payload tests: the bytes of stock Redis 7.0.15, recorded; round trips; and invalid payloads.

use super::digest::Digest;
use super::*;
use crate::base::sha1::{sha1, to_hex};
use crate::store::Collection;
use crate::store::types::list::{Element, List};
use crate::store::types::zset::ZSet;
use proptest::prelude::*;

fn text(element: Element<'_>) -> Vec<u8> {
    element.to_vec()
}

fn restored(payload: &[u8]) -> Result<Value, PayloadError> {
    restore(payload, &PayloadLimits::default(), true)
}

fn ascending(len: u8) -> Vec<u8> {
    (0..len).collect()
}

fn squares(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * i * 7 + i) % 251) as u8).collect()
}

/// Value, DUMP payload (its SHA-1 if it is longer than 60 bytes), DEBUG DIGEST-VALUE.
#[test]
fn strings_are_dumped_as_redis_dumps_them() {
    let recorded: &[(&[u8], &str, &str)] = &[
        (b"", "00000a005d9b5c400f7fa2da", "8b3447c33a834b810e3e181b6fd6a2ee1020921c"),
        (b"a", "0001610a00bffeef9b8f367db4", "ed3966c92d61c522a8260b5c16c9469b328b5a95"),
        (b"0", "00c0000a009840a778f8500308", "403caba7fb4a79868915d512a58297f27db01a40"),
        (b"-1", "00c0ff0a000c937e2485089dc5", "cf3c4eb5872a79c217ca1f93313d122bbfdcd92f"),
        (b"127", "00c07f0a000db5eb315254c514", "715aa4e57146e0bd37f86707cbb7b6449bfc7db0"),
        (b"128", "00c180000a00eb7ab3b510cf4b65", "57e86cfa508e1fc9d99629e76124499bb738ac96"),
        (b"-129", "00c17fff0a001760822854808480", "0fec561e0f15c71cc5547f7996d13b7d6cc8a9ca"),
        (b"32767", "00c1ff7f0a00495a37da17f4d52b", "a99ab3029f808c4ac1e97afda3c317e778bb6147"),
        (b"32768", "00c2008000000a0045d82eedd5bda910", "0012c3f0d457e13c683817a9af08492ca3a0cfc4"),
        (b"2147483647", "00c2ffffff7f0a002c74e59ee02eada1", "debab366b71f49b82d52281d5c246343c3c42882"),
        (b"2147483648", "000a323134373438333634380a00e7b129a34c1d76ee", "2dbb4a34c9ad5d3b466e95cf3c644091f1c41b46"),
        (b"-2147483648", "00c2000000800a00c74f873e33558187", "d9232a02d31b439d568e14308c21ac8d41dc5fae"),
        (
            b"9223372036854775807",
            "0013393232333337323033363835343737353830370a003a657e9481e85f22",
            "740f3d80eb4e51ce571db1772e687df8d366aa6d",
        ),
        (
            b"-9223372036854775808",
            "00142d393232333337323033363835343737353830380a00ede2b956eb709e81",
            "4191566616a6d8b974bba999f8e82b3f2c8dcce0",
        ),
        (
            b"9223372036854775808",
            "0013393232333337323033363835343737353830380a0037d576b70c698fc8",
            "e6209cec8df32b28e3caa48413f6d806f4703663",
        ),
        (b"007", "00033030370a007258e27b4c69bad9", "8e00a8fb3b4e9d75e4004709d98cda64c3823457"),
        (b"hello world", "000b68656c6c6f20776f726c640a000bfc49b9a6c7a034", "19bfad8f2007c7c5d8559839d8798339f62ccc52"),
        (
            &[b'x'; 20],
            "001478787878787878787878787878787878787878780a005b3c81eca58cc56b",
            "809c6e8b8df673cf819d40d07540b0a375ca18ab",
        ),
        (&[b'x'; 21], "00c30615017878e00a000a00941a83676017192f", "5959c39b17ddba499fa7bd1080e2cb8df47acf74"),
        (&[b'x'; 44], "00c3092c017878e01f000178780a002d05b7d2a136e6d1", "58145ef2c7d9024837e34c683c4a5205015afd58"),
        (&[b'x'; 45], "00c3092d017878e020000178780a000d31e59dae771ef7", "f6af7dc476ed58aa1102ec6f444712b9804d92c4"),
        (&[b'x'; 64], "00c3094040017878e033000178780a007671d576c5795442", "e89fe6d08a223fcabbf31ce98b359f59dbae850f"),
        (
            &b"ab".repeat(100),
            "00c30a40c802616261e0ba010161620a0024a6e84170c0c68c",
            "bac7b65b4a2ea8ef52ca23e4fad7b1311e402edc",
        ),
        (&ascending(63), "410e6fe1ead68b809c5b2fb14e62dc889fb84849", "d18d6aaf9d0eb27a8095a63d942d0512ef02d39c"),
        (&ascending(64), "f772f2706c29599b793fef6bc33e8b1453134010", "4d912ce1a64ae4e1fad98e150580271e6877712b"),
        (
            &b"Hello ".repeat(3000),
            "0bd1c85ef40a1d78b2ef348bb48b818a9698d64b",
            "cf2b6a1bdcc8e41584510855a8061bca4b1be3f3",
        ),
        (&squares(300), "2568320ce856c97352ef6b431c36fb8b71298ecd", "307a5bef9c5634c9e2780e5d7846562968ed8045"),
    ];
    for &(bytes, want, digest) in recorded {
        let value = Value::string(bytes.to_vec());
        let payload = dump(&value.as_ref());
        let got = if payload.len() > 60 { to_hex(&sha1(&payload)) } else { to_hex(&payload) };
        assert_eq!(got, want, "{:?}", String::from_utf8_lossy(bytes));
        assert_eq!(Digest::of_value(&value.as_ref(), false).to_hex(), digest);
        let back = restored(&payload).expect("it was just dumped");
        assert_eq!(dump(&back.as_ref()), payload);
    }
}

/// What 7.0.15 reported about a list after a [`Script`].
struct Recorded {
    seed: u64,
    ops: u32,
    fill: i16,
    compress_depth: u16,
    packed_threshold: u32,
    len: usize,
    dump_sha1: &'static str,
    digest: &'static str,
    info: &'static str,
}

#[rustfmt::skip]
const RECORDED: &[Recorded] = &[
    Recorded { seed: 1, ops: 3000, fill: -2, compress_depth: 0, packed_threshold: 1073741824, len: 1090, dump_sha1: "be6b5a45a892222c146940d7c3be2ed3b9cd61e3", digest: "3fad0a1c19819508688060a69c1f4c570d86d2cc", info: "ql_nodes:17 ql_avg_node:64.12 ql_listpack_max:-2 ql_compressed:0 ql_uncompressed_size:100381" },
    Recorded { seed: 101, ops: 400, fill: -2, compress_depth: 0, packed_threshold: 1073741824, len: 158, dump_sha1: "290a222b2d5cbd09ddf5cdcdcb8c058ea48d68c9", digest: "b2c4bdb111aa0affd1003daca9f97c1db867e1d3", info: "ql_nodes:1 ql_avg_node:158.00 ql_listpack_max:-2 ql_compressed:0 ql_uncompressed_size:6884" },
    Recorded { seed: 2, ops: 3000, fill: -1, compress_depth: 0, packed_threshold: 1073741824, len: 1127, dump_sha1: "7ade7db931fb060d2613b1c959e591c8af694ce0", digest: "0413844c10448cecd67ed796b6c059ed14c71cf5", info: "ql_nodes:26 ql_avg_node:43.35 ql_listpack_max:-1 ql_compressed:0 ql_uncompressed_size:82739" },
    Recorded { seed: 102, ops: 400, fill: -1, compress_depth: 0, packed_threshold: 1073741824, len: 133, dump_sha1: "9caeb697f69bdbcb0bfc148e15613b7ae7c2870a", digest: "1732dd2f5bcd07bf88637c858f6bcab48985ba07", info: "ql_nodes:3 ql_avg_node:44.33 ql_listpack_max:-1 ql_compressed:0 ql_uncompressed_size:5418" },
    Recorded { seed: 3, ops: 3000, fill: -5, compress_depth: 0, packed_threshold: 1073741824, len: 1114, dump_sha1: "9ce868a1ef2a07d95156ae329872a9dea900fca4", digest: "3f8352f61daf649bba170cc63cefe52105f875fa", info: "ql_nodes:2 ql_avg_node:557.00 ql_listpack_max:-5 ql_compressed:0 ql_uncompressed_size:92138" },
    Recorded { seed: 103, ops: 400, fill: -5, compress_depth: 0, packed_threshold: 1073741824, len: 141, dump_sha1: "3ee7b819f6ef53c7b55c7a6c94e58cb3ef2df4f5", digest: "2bef4c7f21f1d97ccbd688092d9d5e187d940502", info: "ql_nodes:1 ql_avg_node:141.00 ql_listpack_max:-5 ql_compressed:0 ql_uncompressed_size:5640" },
    Recorded { seed: 4, ops: 3000, fill: 1, compress_depth: 0, packed_threshold: 1073741824, len: 1063, dump_sha1: "b2568b3539f023332115cc000170c0528cda3056", digest: "558e9f51362743071aea9ea1747fe53c943cf8df", info: "ql_nodes:1063 ql_avg_node:1.00 ql_listpack_max:1 ql_compressed:0 ql_uncompressed_size:90675" },
    Recorded { seed: 104, ops: 400, fill: 1, compress_depth: 0, packed_threshold: 1073741824, len: 163, dump_sha1: "b04d238914a0ed389afc79caff9d50e4210797a4", digest: "487f91af9e7b1b4830857cf999db8afe7bbcbdfa", info: "ql_nodes:163 ql_avg_node:1.00 ql_listpack_max:1 ql_compressed:0 ql_uncompressed_size:6848" },
    Recorded { seed: 5, ops: 3000, fill: 3, compress_depth: 0, packed_threshold: 1073741824, len: 1165, dump_sha1: "2cddb0882d8c921aaa1ff0793ce7b2d08775de1e", digest: "8609a965818e5be9da2dafcfed87a8af4c2a5d0e", info: "ql_nodes:479 ql_avg_node:2.43 ql_listpack_max:3 ql_compressed:0 ql_uncompressed_size:109701" },
    Recorded { seed: 105, ops: 400, fill: 3, compress_depth: 0, packed_threshold: 1073741824, len: 154, dump_sha1: "192e375bea4e92c25c533d2ab820e898623bf46f", digest: "729ac3c7e90757448023156d6a7fcc5c121e7eee", info: "ql_nodes:64 ql_avg_node:2.41 ql_listpack_max:3 ql_compressed:0 ql_uncompressed_size:5713" },
    Recorded { seed: 6, ops: 3000, fill: 20, compress_depth: 0, packed_threshold: 1073741824, len: 1009, dump_sha1: "35c64eaf364124a40ee597d3541d4936ad10909d", digest: "9dc62b1271026915cd4eb95bced2eed477c37e7a", info: "ql_nodes:70 ql_avg_node:14.41 ql_listpack_max:20 ql_compressed:0 ql_uncompressed_size:71517" },
    Recorded { seed: 106, ops: 400, fill: 20, compress_depth: 0, packed_threshold: 1073741824, len: 162, dump_sha1: "b93d05f92f57c6f8e8032493e434ffdbd7f480c0", digest: "698f62dca2978c7dc705908e7a8ec4779765b635", info: "ql_nodes:13 ql_avg_node:12.46 ql_listpack_max:20 ql_compressed:0 ql_uncompressed_size:7534" },
    Recorded { seed: 7, ops: 3000, fill: 128, compress_depth: 0, packed_threshold: 1073741824, len: 1078, dump_sha1: "dbd9c58f8f1bcc4bf049435ea8ad8548705fe92f", digest: "25b528d0c5d1ee9b62e7795a7dce748997736147", info: "ql_nodes:12 ql_avg_node:89.83 ql_listpack_max:128 ql_compressed:0 ql_uncompressed_size:52657" },
    Recorded { seed: 107, ops: 400, fill: 128, compress_depth: 0, packed_threshold: 1073741824, len: 140, dump_sha1: "16b1ef04ba7ec236b6c421b5d0e81f74d39f8fed", digest: "6786d28959face738567be32f20c32307792dbfa", info: "ql_nodes:4 ql_avg_node:35.00 ql_listpack_max:128 ql_compressed:0 ql_uncompressed_size:27621" },
    Recorded { seed: 8, ops: 3000, fill: -2, compress_depth: 1, packed_threshold: 1073741824, len: 1143, dump_sha1: "c53344803831418e18dab68d97f36d6e85776b3a", digest: "5ed8ca8a6c5efaefd027de225c94e1333515d086", info: "ql_nodes:14 ql_avg_node:81.64 ql_listpack_max:-2 ql_compressed:1 ql_uncompressed_size:94464" },
    Recorded { seed: 108, ops: 400, fill: -2, compress_depth: 1, packed_threshold: 1073741824, len: 156, dump_sha1: "4c32d9588ad808215199d3bbbb483d352834546f", digest: "e3cb55a9d4ce58e6a50a50d6cbe1653c4b3d7810", info: "ql_nodes:4 ql_avg_node:39.00 ql_listpack_max:-2 ql_compressed:1 ql_uncompressed_size:23758" },
    Recorded { seed: 9, ops: 3000, fill: -1, compress_depth: 2, packed_threshold: 1073741824, len: 1004, dump_sha1: "910f455b3e9f03beeb42a58620b5b0e2fcf1b32e", digest: "950d539142e4a373a6d85849b3fafa10aba59749", info: "ql_nodes:21 ql_avg_node:47.81 ql_listpack_max:-1 ql_compressed:1 ql_uncompressed_size:77997" },
    Recorded { seed: 109, ops: 400, fill: -1, compress_depth: 2, packed_threshold: 1073741824, len: 188, dump_sha1: "a1bbc7d566b3908ce5a868fe9dfd9772afd05c1e", digest: "1e36b224e2e28652e21d1d956764d858ab032a02", info: "ql_nodes:2 ql_avg_node:94.00 ql_listpack_max:-1 ql_compressed:1 ql_uncompressed_size:6562" },
    Recorded { seed: 10, ops: 3000, fill: 4, compress_depth: 1, packed_threshold: 1073741824, len: 1082, dump_sha1: "bd604fc18062e0b96820f36c2bce7a1c8fc8e6ea", digest: "284e9aa0a137cdb1df3e97f34a501364af96f693", info: "ql_nodes:349 ql_avg_node:3.10 ql_listpack_max:4 ql_compressed:1 ql_uncompressed_size:79806" },
    Recorded { seed: 110, ops: 400, fill: 4, compress_depth: 1, packed_threshold: 1073741824, len: 111, dump_sha1: "87f58f10deae211f71771b1f9852aa3f531d3e6c", digest: "00e4aecd20674962c975ac8b5f1c89a33d1319a8", info: "ql_nodes:37 ql_avg_node:3.00 ql_listpack_max:4 ql_compressed:1 ql_uncompressed_size:4251" },
    Recorded { seed: 11, ops: 3000, fill: 10, compress_depth: 3, packed_threshold: 1073741824, len: 1153, dump_sha1: "18bff862e62747e0d6a0f1ce38c8b6963bae89d0", digest: "4fddfd904c22ec70c5857749b71200f7f2f98423", info: "ql_nodes:159 ql_avg_node:7.25 ql_listpack_max:10 ql_compressed:1 ql_uncompressed_size:81108" },
    Recorded { seed: 111, ops: 400, fill: 10, compress_depth: 3, packed_threshold: 1073741824, len: 167, dump_sha1: "01c98193dd09e67027d5d2e07c0e3f86af001b6d", digest: "31da3247d098d95d356b5d0964089317b36d81a5", info: "ql_nodes:21 ql_avg_node:7.95 ql_listpack_max:10 ql_compressed:1 ql_uncompressed_size:17876" },
    Recorded { seed: 12, ops: 3000, fill: -2, compress_depth: 0, packed_threshold: 200, len: 1162, dump_sha1: "a18d97f871f9c31f1186c493827e9fa9a45227e1", digest: "3f6cee8dcc5164d7cc38a9e1dbae081a7c464622", info: "ql_nodes:161 ql_avg_node:7.22 ql_listpack_max:-2 ql_compressed:0 ql_uncompressed_size:71679" },
    Recorded { seed: 112, ops: 400, fill: -2, compress_depth: 0, packed_threshold: 200, len: 143, dump_sha1: "b799cc8a925fe9b49bcab8a3a54dab25fbf783e5", digest: "df48bd01490b8a16519e3f9fd5e0ea95d592a650", info: "ql_nodes:27 ql_avg_node:5.30 ql_listpack_max:-2 ql_compressed:0 ql_uncompressed_size:26085" },
    Recorded { seed: 13, ops: 3000, fill: 8, compress_depth: 0, packed_threshold: 100, len: 1027, dump_sha1: "1c1ad0d3214dc17833f42c69c2de7c90e1bfbfa1", digest: "029a27c179155eb28752b06a723f18787f6f5446", info: "ql_nodes:330 ql_avg_node:3.11 ql_listpack_max:8 ql_compressed:0 ql_uncompressed_size:87118" },
    Recorded { seed: 113, ops: 400, fill: 8, compress_depth: 0, packed_threshold: 100, len: 166, dump_sha1: "f1e5714ef822bcdbd4f33e5163ab71966ef79194", digest: "9527f3c6ae6b12ca45bf59779b0b8729a9a2fd00", info: "ql_nodes:48 ql_avg_node:3.46 ql_listpack_max:8 ql_compressed:0 ql_uncompressed_size:5889" },
    Recorded { seed: 14, ops: 3000, fill: 5, compress_depth: 1, packed_threshold: 60, len: 1112, dump_sha1: "9646ef88b2f576851f4ac441f4db9ee80c623d17", digest: "dab543537917a2925f87bf9a223b70c662c0c311", info: "ql_nodes:488 ql_avg_node:2.28 ql_listpack_max:5 ql_compressed:1 ql_uncompressed_size:101900" },
    Recorded { seed: 114, ops: 400, fill: 5, compress_depth: 1, packed_threshold: 60, len: 159, dump_sha1: "ca2326c57cc8e424cce913e5aedced4f6ac6df8f", digest: "f5cd6e593cb589d9beeb0e00033057ff3c3e3168", info: "ql_nodes:82 ql_avg_node:1.94 ql_listpack_max:5 ql_compressed:1 ql_uncompressed_size:16418" },
    Recorded { seed: 15, ops: 3000, fill: -1, compress_depth: 1, packed_threshold: 150, len: 1040, dump_sha1: "12f3a3c18591e87fdfecaac2b7624936e3d9fc55", digest: "7eb05a040aba1035df035671ad07183c90ce009f", info: "ql_nodes:205 ql_avg_node:5.07 ql_listpack_max:-1 ql_compressed:1 ql_uncompressed_size:101843" },
    Recorded { seed: 115, ops: 400, fill: -1, compress_depth: 1, packed_threshold: 150, len: 154, dump_sha1: "264b0e373e99258cb7ad5c7a8b768a746a382d3e", digest: "381b21547197a23f1b15867bb5af80ff51787c38", info: "ql_nodes:24 ql_avg_node:6.42 ql_listpack_max:-1 ql_compressed:1 ql_uncompressed_size:5925" },
    Recorded { seed: 16, ops: 3000, fill: 2, compress_depth: 2, packed_threshold: 30, len: 1092, dump_sha1: "7ec5c5f8a0cd47665189e398af7ed0705465fd92", digest: "e70fecfe641fb702170156c901ca4744392bb638", info: "ql_nodes:848 ql_avg_node:1.29 ql_listpack_max:2 ql_compressed:1 ql_uncompressed_size:93933" },
    Recorded { seed: 116, ops: 400, fill: 2, compress_depth: 2, packed_threshold: 30, len: 180, dump_sha1: "0f2c3c5eeac7c0045d52f8f91d7c48e50471992d", digest: "185da133963cbe7be303de106cc8a7633fb9757d", info: "ql_nodes:138 ql_avg_node:1.30 ql_listpack_max:2 ql_compressed:1 ql_uncompressed_size:11827" },
];

/// Deterministic operations on a list; the recorder runs the same ones against the stock server.
struct Script {
    state: u64,
}

impl Script {
    fn draw(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % below
    }

    fn value(&mut self) -> Vec<u8> {
        if self.draw(200) == 0 {
            return vec![b'L'; 3000 + self.draw(9000) as usize];
        }
        match self.draw(6) {
            0 => self.draw(1000).to_string().into(),
            1 => {
                let (a, b) = (self.draw(1 << 31), self.draw(1 << 31));
                format!("-{}", a * b).into()
            }
            2 => format!("v{}", self.draw(100_000)).into(),
            3 => b"ab".repeat(self.draw(40) as usize),
            4 => vec![b'x'; self.draw(300) as usize],
            _ => {
                let len = self.draw(60);
                (0..len).map(|_| 33 + self.draw(90) as u8).collect()
            }
        }
    }

    fn step(&mut self, list: &mut List) {
        let mut op = self.draw(16);
        let len = list.len() as u64;
        if len == 0 {
            op = 0;
        }
        match op {
            0..=4 | 15 => list.push_back(&self.value()),
            5..=7 => list.push_front(&self.value()),
            8 => drop(list.pop_front()),
            9 => drop(list.pop_back()),
            10 | 11 => {
                let pivot = self.element(list, len);
                let value = self.value();
                let done =
                    if op == 10 { list.insert_before(&pivot, &value) } else { list.insert_after(&pivot, &value) };
                assert!(done);
            }
            12 => {
                let index = self.draw(len) as i64;
                assert!(list.set(index, &self.value()));
            }
            13 => {
                let count = self.draw(5) as i64 - 2;
                let value = self.element(list, len);
                assert!(list.remove(&value, count) > 0);
            }
            _ => {
                let (front, back) = (self.draw(3) as usize, self.draw(3) as usize);
                list.trim(front, list.len().saturating_sub(front + back));
            }
        }
    }

    fn element(&mut self, list: &List, len: u64) -> Vec<u8> {
        list.with_index(self.draw(len) as i64, text).expect("the index is inside")
    }
}

#[test]
fn lists_have_the_nodes_and_bytes_of_redis_after_any_history() {
    for recorded in RECORDED {
        let &Recorded { seed, ops, fill, compress_depth, packed_threshold, .. } = recorded;
        let (mut script, mut list) =
            (Script { state: seed }, List::new(ListOptions { fill, compress_depth, packed_threshold }));
        for _ in 0..ops {
            script.step(&mut list);
        }
        assert_eq!(list.len(), recorded.len, "seed {seed}");
        assert_eq!(list.info().to_string(), recorded.info, "seed {seed}");
        let collection = Collection::from(list.clone());
        let value = ValueRef::Collection(collection.view());
        assert_eq!(Digest::of_value(&value, false).to_hex(), recorded.digest, "seed {seed}");
        assert_eq!(to_hex(&sha1(&dump(&value))), recorded.dump_sha1, "seed {seed}");
        let limits = PayloadLimits { list: list.options(), ..PayloadLimits::default() };
        let back = restore(&dump(&value), &limits, true).expect("it was just dumped");
        assert_eq!(to_hex(&sha1(&dump(&back.as_ref()))), recorded.dump_sha1, "seed {seed}");
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("it is hexadecimal")).collect()
}

/// Appends version and checksum to type and body.
fn sealed(mut body: Vec<u8>, version: u16) -> Vec<u8> {
    body.extend_from_slice(&version.to_le_bytes());
    let checksum = crc64::checksum(&body);
    body.extend_from_slice(&checksum.to_le_bytes());
    body
}

/// Name, type and body of a payload in an older form, and the reply of 7.0.15 to DUMP after restoring it.
#[test]
fn every_older_form_of_a_list_is_read() {
    #[rustfmt::skip]
    let recorded = [
        ("strings one by one", "01030161c0050568656c6c6f", "1201021313000000030081610205018568656c6c6f06ff0a0056247f6ddae87412"),
        ("one ziplist", "0a4150500100004b01000007000002686904412c787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878fe2f010000c0008008f102fd020002023432ff", "120102c32441470c47010000070082686903e12c78e0ff00e01a000e02aef100800300010c0180012a01ff0a00ebf7cc4f0238b716"),
        ("ziplists", "0e034150500100004b01000007000002686904412c787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878fe2f010000c0008008f102fd020002023432ff0b0b0000000a0000000000ff11110000000d000000020000fe8003017aff", "120202c32441470c47010000070082686903e12c78e0ff00e01a000e02aef100800300010c0180012a01ff020d0d0000000200df8002817a02ff0a004d27dcaa695f9d8d"),
        ("plain and packed nodes", "120301036162630207070000000000ff01c007", "1202010361626301c0070a00296a93c104d2cfa4"),
    ];
    for (name, body, want) in recorded {
        let value = restored(&sealed(unhex(body), 9)).expect(name);
        assert_eq!(to_hex(&dump(&value.as_ref())), want, "{name}");
    }
}

/// The payloads of strings and lists that once crashed, hung or exhausted a server: the classes of Redis's
/// corrupt-dump suite.
#[rustfmt::skip]
const CORRUPT: &[(&str, &str)] = &[
    ("quicklist big ziplist prev len", "0e0113130000000e0000000200000261000e026200ff0900499730b20da1edaa"),
    ("quicklist small ziplist prev len", "0e0113130000000e00000002000002610002026200ff0900c77103970775b063"),
    ("quicklist ziplist wrong count", "0e0113130000000e00000003000002610004026200ff09004de20a2f0825df91"),
    ("#3080 - quicklist", "0e01800000001041414141414141410200008041414141070003c71def5468ccf3"),
    ("quicklist with empty ziplist", "0e010b0b0000000a0000000000ff0900c26937833c7ffe6f"),
    ("quicklist encoded_len is 0", "120101000a008fc6c0571c0ab33c"),
    ("quicklist listpack entry start with EOF", "1201020b0b0000000100816102ffff0a007ed8de5b0dd770b8"),
    ("#3080 - ziplist", "0a8000000010414141414141414102000080414141410700395b49e0c1c6dd76"),
    ("NPD in quicklistIndex", "0e01131300000010000000031200f302025f3104f1ff0900c94b31fe61c096fe"),
    ("invalid ziplist encoding", "0e021b1b00000016000000050000025f3904f902865f3704f702025f35ff191900000016000000050000f502025f3304f302025f3104f1ff09000cfc992c23451560"),
    ("ziplist prevlen reaches outside", "0e021b1b00000016000000050000025f3904f902025f3704f702025f35ff191900000016000000050000f502025f3304f395025f3104f1ff09000cfc992c23451560"),
    ("ziplist prev too big", "0e01131300000010000000030000f302025f31c1f1ff0900c94b31fe61c096fe"),
    ("out of memory in a string", "0a817fffffffffffffff130000000e00000002000002610004026200ff09005704e5cdd4376c57"),
    ("negative malloc", "0e0181d6d60000000a00000001000040c86f2f36e2dfe32e26648b87d17abdffefef6365f6f88c4eec96895688f83d965a32bdd136d802e66637cb3434c452a72ad56f2f7eeea294d9eba909383be1a960b64e09441f7024aa47a86e30e113494ea192c46cf03583d94fd99c0a0d7ae7b161f5c12ddcc30e87a6801518ba7f72dd147546440bca9c8f1c3cd7da0662187e151724ab452127c2bcbb866ed8bd8e50e0e088a49b9d152a98ff5e786c81fca8c9c8e661c8d14a7f81d6a61aad4cc1a21c9068152a8a36c058c3cca65419120feb46ff6ee3a792f8ff0900d071f79ff76ad62e"),
    ("ziplist tail followed by bytes", "0e0111110000000a000000010000f6ffb06c9cff09009c3747494dde94f5"),
    ("huge string", "0081010900f62bb67a8587724d"),
    ("empty quicklist", "0ec02b150000000a000000010000e06258eadf22000000ff0900df35d267dc0e89ab"),
    ("listpack entry reaches outside", "120102131300000010000000030000f3fe025f3104f1ff0a00198d3d74859429bd"),
    ("ziplist tail previous length", "0e021b1b00000016000000050000025f3904f902025f3704f702025f35ff191900000016000000050000f502025f3304f302025f31fef1ff0a006b43322fbb290abe"),
];

#[test]
fn payloads_that_once_broke_servers_are_refused() {
    for (name, payload) in CORRUPT {
        let result = restore(&unhex(payload), &PayloadLimits::default(), false);
        assert!(!matches!(result, Ok(_) | Err(PayloadError::Footer)), "{name}: {result:?}");
    }
}

#[test]
fn payloads_of_one_writer_are_independent() {
    let values =
        [ValueRef::Int(7), ValueRef::Str(b"some text that is long enough to be compressed, some text that is")];
    let mut out = Writer::new();
    let mut want = Vec::new();
    for value in values.iter().chain(&values) {
        dump_into(value, &mut out);
        want.extend_from_slice(&dump(value));
    }
    assert_eq!(out.into_vec(), want);
}

#[test]
fn a_wrong_footer_is_told_from_wrong_data() {
    let payload = dump(&ValueRef::Str(b"some text"));
    let refused = |payload: &[u8]| restored(payload).map(|_| ()).expect_err("it is damaged");
    assert_eq!(refused(&payload[..9]), PayloadError::Footer);
    assert_eq!(refused(b""), PayloadError::Footer);
    let mut flipped = payload.clone();
    flipped[3] ^= 1;
    assert_eq!(refused(&flipped), PayloadError::Footer);
    assert!(restore(&flipped, &PayloadLimits::default(), false).is_ok(), "only the checksum tells");
    let body = payload[..payload.len() - FOOTER_BYTES].to_vec();
    assert!(restored(&sealed(body.clone(), opcode::NEWEST_VERSION)).is_ok());
    assert_eq!(refused(&sealed(body.clone(), opcode::NEWEST_VERSION + 1)), PayloadError::Footer);
    assert_eq!(refused(&sealed([body, vec![0]].concat(), 10)), PayloadError::Trailing);
    assert_eq!(refused(&sealed(vec![99, 0], 10)), PayloadError::UnknownType(99));
    assert!(matches!(refused(&sealed(vec![], 10)), PayloadError::Read(_)));
    assert_eq!(refused(&sealed(vec![opcode::TYPE_LIST, 0], 10)), PayloadError::Empty);
}

#[test]
fn a_count_without_nodes_costs_nothing() {
    let mut body = vec![opcode::TYPE_LIST_QUICKLIST_2, 0x81];
    body.extend_from_slice(&u64::MAX.to_be_bytes());
    assert!(matches!(restored(&sealed(body, 10)), Err(PayloadError::Read(_))));
}

fn value() -> impl Strategy<Value = Value> {
    let element = prop_oneof![
        any::<i64>().prop_map(|v| v.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..30),
        (0usize..3000).prop_map(|n| b"na".repeat(n)),
    ];
    let zset_member = proptest::collection::vec(any::<u8>(), 0..40);
    let options = (-5i16..8, 0u16..3, prop_oneof![Just(1u32 << 30), 4u32..300])
        .prop_map(|(fill, compress_depth, packed_threshold)| ListOptions { fill, compress_depth, packed_threshold });
    prop_oneof![
        element.clone().prop_map(Value::string),
        (options, proptest::collection::vec(element, 1..40)).prop_map(|(options, elements)| {
            let mut list = List::new(options);
            for element in elements {
                list.push_back(&element);
            }
            Value::from(list)
        }),
        proptest::collection::btree_map(zset_member, -9i32..9, 1..200).prop_map(|elements| {
            let elements = elements.into_iter().map(|(member, score)| (f64::from(score) / 4.0, member)).collect();
            Value::from(ZSet::of_elements(elements, &ZSetOptions::default()))
        }),
    ]
}

proptest! {
    #[test]
    fn every_value_is_read_back(value in value()) {
        let back = restored(&dump(&value.as_ref())).expect("it was just dumped");
        prop_assert_eq!(Digest::of_value(&back.as_ref(), false), Digest::of_value(&value.as_ref(), false));
        prop_assert_eq!(dump(&back.as_ref()), dump(&value.as_ref()));
    }

    #[test]
    fn damaged_payloads_never_panic_and_what_passes_is_whole(
        value in value(),
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        cut in any::<usize>(),
    ) {
        let mut payload = dump(&value.as_ref());
        for (at, byte) in flips {
            let at = at % payload.len();
            payload[at] = byte;
        }
        let _ = restore(&payload[..cut % payload.len()], &PayloadLimits::default(), false);
        if let Ok(loaded) = restore(&payload, &PayloadLimits::default(), false) {
            let again = restored(&dump(&loaded.as_ref())).expect("what was accepted can be dumped");
            prop_assert_eq!(Digest::of_value(&again.as_ref(), false), Digest::of_value(&loaded.as_ref(), false));
        }
    }

    #[test]
    fn random_bodies_never_panic(
        kind in prop_oneof![Just(0u8), Just(1), Just(10), Just(14), Just(18), Just(3), Just(5), Just(12), Just(17), any::<u8>()],
        body in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let _ = read(kind, &mut Reader::new(&body), &PayloadLimits::default());
    }
}
