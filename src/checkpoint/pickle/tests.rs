//! Pickles written by hand.

use super::*;

fn loaded(pickle: &[u8]) -> Result<(Arena, Id), String> {
    let mut arena = Arena::default();
    let mut input = pickle;
    let id = read(&mut input, &mut arena)?;
    Ok((arena, id))
}

fn single(pickle: &[u8]) -> Result<Value, String> {
    loaded(pickle).map(|(arena, id)| arena.get(id).clone())
}

#[test]
fn numbers_of_all_protocols_are_read() {
    let cases: [(&[u8], i128); 8] = [
        (b"I-12\n.", -12),
        (b"L7L\n.", 7),
        (b"\x80\x02K\xff.", 255),
        (b"\x80\x02M\x00\x01.", 256),
        (b"\x80\x02J\xff\xff\xff\xff.", -1),
        (b"\x80\x02\x8a\x00.", 0),
        (b"\x80\x02\x8a\x01\x80.", -128),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", 0x1950_a86a_20f9_469c_fc6c),
    ];
    for (pickle, number) in cases {
        assert_eq!(single(pickle), Ok(Value::Int(number)), "{pickle:?}");
    }
    assert_eq!(single(b"I01\n."), Ok(Value::Bool(true)));
    assert_eq!(single(b"\x80\x04\x8b\x14\x00\x00\x0001234567890123456789."), opaque("int"));
}

fn opaque(class: &str) -> Result<Value, String> {
    Ok(Value::Opaque(class.into()))
}

#[test]
fn calls_are_not_run_but_named() {
    let system = b"cos\nsystem\n(S'touch /tmp/x'\ntR.";
    assert_eq!(single(system), opaque("os.system"));
    assert_eq!(single(b"(S'rm'\nios\nsystem\n."), opaque("os.system"));
    let stacked = b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.";
    assert_eq!(single(stacked), opaque("builtins.eval"));
    let through_result = b"cos\nsystem\n)R)R.";
    assert_eq!(single(through_result), opaque("os.system"));
}

#[test]
fn containers_may_hold_themselves() {
    let (arena, id) = loaded(b"\x80\x02]q\x00h\x00a.").expect("a list that holds itself");
    assert_eq!(arena.elements(id), Some([id].as_slice()));
    let (arena, id) =
        loaded(b"\x80\x02}q\x00(K\x01h\x00K\x02K\x03u.").expect("a dictionary that holds itself");
    let Value::Dict(pairs) = arena.get(id) else { panic!("no dictionary") };
    assert_eq!((pairs.len(), pairs[0].1), (2, id));
}

#[test]
fn what_is_no_pickle_is_an_error() {
    let cases: [&[u8]; 12] = [
        b"",
        b".",
        b"\x80\x02K",
        b"\x80\x02h\x05.",
        b"\x80\x02t.",
        b"\x80\x02(0.",
        b"\x80\x02K\x01(\x85.",
        b"\x80\x02X\xff\xff\xff\xff",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x02\x8b\xff\xff\xff\xff.",
        b"\x80\x02\xfe.",
        b"Iwithout an end",
    ];
    for pickle in cases {
        assert!(single(pickle).is_err(), "{pickle:?}");
    }
}

/// A tensor of a storage of 6 floats.
fn tensor(sizes: &str) -> Result<Value, String> {
    let storage = "(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI6\ntQ";
    single(format!("ctorch._utils\n_rebuild_tensor_v2\n({storage}{sizes}tR.").as_bytes())
}

#[test]
fn tensors_lie_within_their_storage() {
    let Ok(Value::Tensor(view)) = tensor("I1\n(I2\nI2\nt(I3\nI1\nt") else { panic!("no tensor") };
    assert_eq!((view.offset, view.extent, &*view.shape), (1, 5, [2, 2].as_slice()));
    let wrong = [
        "I2\n(I2\nI2\nt(I3\nI1\nt",
        "I-1\n(I2\nt(I1\nt",
        "I0\n(I2\nt(I-1\nt",
        "I0\n(I7\nt(I1\nt",
        "I0\n(I2\nI2\nt(I1\nt",
        "I0\n(I9223372036854775807\nt(I9223372036854775807\nt",
        "I9223372036854775807\n(I1\nt(I1\nt",
        "I0\nS'no sizes'\n(I1\nt",
    ];
    for sizes in wrong {
        assert!(tensor(sizes).is_err(), "{sizes}");
    }
}

#[test]
fn a_call_given_a_long_list_again_and_again_copies_little() {
    let mut pickle = b"\x80\x02]q\x00(".to_vec();
    pickle.extend([b'N'; 100_000]);
    pickle.extend(b"eccollections\nOrderedDict\nq\x01h\x00\x85q\x020");
    for _ in 0..100_000 {
        pickle.extend(b"h\x01h\x02R0");
    }
    pickle.extend(b"N.");
    assert_eq!(single(&pickle), Ok(Value::None));
}
