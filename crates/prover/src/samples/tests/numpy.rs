//! Files as NumPy 2.4 wrote them (crates/prover/tests/fixtures/samples).

use super::*;

fn file(name: &str, tensors: &[InputTensor]) -> Result<Samples, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/samples");
    Samples::read(&folder.join(name), tensors).map_err(|error| error.to_string())
}

fn image() -> [InputTensor; 1] {
    [tensor("x", &[1, 3, 4])]
}

fn values(name: &str) -> Vec<Vec<f64>> {
    let samples = file(name, &image()).unwrap_or_else(|error| panic!("{error}"));
    samples.iter().map(|sample| sample.values.clone()).collect()
}

#[test]
fn every_type_of_number_is_read_exactly() {
    let from = |first: i32| (first..first + 12).map(f64::from).collect::<Vec<_>>();
    for name in ["f2", "f4", "f8", "i1", "i2", "i4", "i8"] {
        assert_eq!(values(&format!("{name}.npy")), [from(-5)], "{name}");
    }
    for name in ["u1", "u2", "u4", "u8"] {
        assert_eq!(values(&format!("{name}.npy")), [from(0)], "{name}");
    }
    let thirds: Vec<_> = (0..12).map(|i| f64::from(u8::from(i % 3 == 0))).collect();
    assert_eq!(values("bool.npy"), [thirds]);
}

#[test]
fn orders_versions_archives_and_texts_hold_the_same_numbers() {
    let eighth = |i: i32| f64::from(i) / 8.0 - 1.0;
    let two = [(0..12).map(eighth).collect::<Vec<_>>(), (12..24).map(eighth).collect()];
    for name in [
        "fortran.npy",
        "named.npz",
        "numbered.npz",
        "savetxt.txt",
        "savetxt_header.csv",
        "tolist.json",
    ] {
        assert_eq!(values(name), two, "{name}");
    }
    for name in ["big_endian.npy", "version2.npy", "version3.npy"] {
        assert_eq!(values(name), two[..1], "{name}");
    }
}

#[test]
fn what_is_not_read_is_named_with_what_to_do() {
    for (name, parts) in [
        ("objects.npy", &["type |O", "Python objects", "never run"][..]),
        ("strings.npy", &["strings", "astype"]),
        ("compressed.npz", &["array \"x\" is compressed", "numpy.savez"]),
    ] {
        says(file(name, &image()), parts);
        says(file(name, &image()), &[name]);
    }
    says(file("f4.npy", &[tensor("x", &[1, 4, 3])]), &["shape [1, 3, 4]", "[1, 4, 3]"]);
    let two = [tensor("x", &[1, 3, 4]), tensor("z", &[1])];
    says(file("named.npz", &two), &["the keys \"x\", \"y\"", "\"z\""]);
}

/// A .npy file of version 1.0.
pub(super) fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

#[test]
fn damaged_headers_and_lengths_are_refused() {
    let pair = [tensor("x", &[2])];
    let header = |descr: &str, shape: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
    };
    let data = [1.0f32, 2.0].map(f32::to_le_bytes).concat();
    let good = npy(&header("<f4", "(2,)"), &data);
    assert_eq!(read(&good, None, &pair), Ok(vec![vec![1.0, 2.0]]));
    let cases: [(Vec<u8>, &str); 13] = [
        (good[..good.len() - 1].to_vec(), "needs 8 bytes, it has 7"),
        ([&good[..], &[0]].concat(), "needs 8 bytes, it has 9"),
        (good[..20].to_vec(), "within its header"),
        (b"\x93NUMPY".to_vec(), "within its header"),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "version 9"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "4294967295"),
        (npy(&header("<f4", "(3,)"), &data), "shape [3]"),
        (npy(&header("<f4", "(99999999999,99999999999)"), &data), "the most that is read"),
        (npy(&header("<f4", "(-2,)"), &data), "header"),
        (npy(&header("<f3", "(2,)"), &data), "type <f3"),
        (npy(&header("<c8", "(1,)"), &data), "complex"),
        (npy("{'descr': '<f4', 'shape': (2,)}", &data), "header"),
        (npy("not a header", &data), "header"),
    ];
    for (content, part) in cases {
        says(read(content, None, &pair), &[part]);
    }
    let nan = [1.0f32, f32::NAN].map(f32::to_le_bytes).concat();
    says(read(npy(&header("<f4", "(2,)"), &nan), None, &pair), &["[1] is NaN", "finite"]);
    let large = [1i64, (1 << 53) + 1].map(i64::to_le_bytes).concat();
    says(
        read(npy(&header("<i8", "(1, 2)"), &large), None, &pair),
        &["[0][1] is the integer 9007199254740993"],
    );
    says(read(npy(&header("|b1", "(2,)"), &[1, 2]), None, &pair), &["[1] is the byte 2"]);
}

#[test]
fn an_archive_whose_content_was_changed_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/samples");
    let good = std::fs::read(folder.join("named.npz")).unwrap();
    let mut damaged = good.clone();
    // Within the first array's numbers.
    damaged[300] ^= 1;
    says(read(damaged, None, &image()), &["x is damaged", "checksum"]);
    says(read(&good[..good.len() - 30], None, &image()), &["archive"]);
}
