//! What the constructors refuse, and with which error.

use kernels::{CsrView, GeneLayers, GeneLayersInit, Isa, KernelError, PreparedMatrix};

fn csr(indptr: &[u64], indices: &[u32], values: &[f32]) -> Result<(), KernelError> {
    CsrView::new(2, 3, indptr, indices, values).map(|_| ())
}

#[test]
fn a_matrix_that_is_none_is_refused() {
    assert_eq!(csr(&[0, 2, 3], &[0, 2, 1], &[1.0; 3]), Ok(()));
    assert!(matches!(csr(&[0, 3], &[0, 2, 1], &[1.0; 3]), Err(KernelError::Length { what: "indptr", .. })));
    assert!(matches!(csr(&[0, 2, 3], &[0, 2], &[1.0; 3]), Err(KernelError::Length { what: "indices", .. })));
    assert!(matches!(
        csr(&[1, 2, 3], &[0, 2, 1], &[1.0; 3]),
        Err(KernelError::RowPointer { row: 0, found: 1 })
    ));
    assert!(matches!(
        csr(&[0, 9, 3], &[0, 2, 1], &[1.0; 3]),
        Err(KernelError::RowPointer { row: 2, found: 3 })
    ));
    assert!(matches!(
        csr(&[0, 2, 2], &[0, 2, 1], &[1.0; 3]),
        Err(KernelError::RowPointer { row: 2, found: 2 })
    ));
    assert!(matches!(
        csr(&[0, 2, 3], &[2, 0, 1], &[1.0; 3]),
        Err(KernelError::Column { row: 0, column: 0, .. })
    ));
    assert!(matches!(
        csr(&[0, 2, 3], &[1, 1, 1], &[1.0; 3]),
        Err(KernelError::Column { row: 0, column: 1, .. })
    ));
    assert!(matches!(
        csr(&[0, 2, 3], &[0, 2, 3], &[1.0; 3]),
        Err(KernelError::Column { row: 1, column: 3, .. })
    ));
    assert_eq!(csr(&[0, 2, 3], &[0, 2, 1], &[1.0, 1.0, f32::NAN]), Err(KernelError::NotFinite { row: 1 }));
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    let matrix = PreparedMatrix::new(CsrView::new(2, 3, &[0, 2, 3], &[0, 2, 1], &[1.0; 3]).unwrap());
    let good = GeneLayersInit {
        genes: 3,
        first: 2,
        last: 1,
        encoder_weight: &[0.0; 6],
        decoder_weight: &[0.0; 3],
        decoder_bias: &[0.0; 3],
    };
    let build = |init: GeneLayersInit<'_>, max_batch| {
        GeneLayers::new(&init, &matrix, max_batch, Isa::Portable).map(|_| ())
    };
    assert_eq!(build(good, 2), Ok(()));
    assert!(matches!(build(good, 0), Err(KernelError::Size { what: "the batch", .. })));
    let short = GeneLayersInit { encoder_weight: &[0.0; 5], ..good };
    assert!(matches!(
        build(short, 2),
        Err(KernelError::Length { what: "encoder_weight", found: 5, expected: 6 })
    ));
    let narrow = GeneLayersInit { first: 0, encoder_weight: &[], ..good };
    assert!(matches!(build(narrow, 2), Err(KernelError::Size { found: 0, .. })));
    let fewer = GeneLayersInit {
        genes: 2,
        encoder_weight: &[0.0; 4],
        decoder_weight: &[0.0; 2],
        decoder_bias: &[0.0; 2],
        ..good
    };
    assert_eq!(build(fewer, 2), Err(KernelError::GeneCount { genes: 2, n_cols: 3 }));
}

#[test]
fn instruction_sets_are_named_and_checked() {
    for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
        assert_eq!(Isa::parse(isa.name()), Ok(isa));
        assert_eq!(isa.checked().is_ok(), isa.is_supported());
    }
    assert_eq!(Isa::parse("AVX2"), Ok(Isa::Avx2));
    assert_eq!(Isa::parse("neon"), Err(KernelError::UnknownIsa { found: "neon".to_owned() }));
    assert!(Isa::Portable.is_supported());
}
