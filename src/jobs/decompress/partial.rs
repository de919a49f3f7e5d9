//! Restoring what is left of a damaged model: unsound tensors are found before any file is laid
//! out, and left out.

use std::collections::BTreeSet;
use std::path::Path;

use super::pass::Pass;
use crate::error::ModelReason;
use crate::jobs::restoration::{Restoration, Target};
use crate::safetensors::{Header, Layout, Most, NewTensor};
use crate::{Error, Note};

/// Reads everything and finds which tensors are not what they should be.
pub(super) fn find_unsound(pass: &Pass<'_>, faults: &mut Vec<Error>, lost: &mut BTreeSet<String>) -> Result<(), Error> {
    let mut note = |result: Result<(), Error>, tensors: &mut dyn Iterator<Item = &String>| match result {
        Err(error) if error.is_failed_check() => {
            faults.push(error);
            lost.extend(tensors.cloned());
            Ok(())
        }
        result => result,
    };
    let mut tile = Vec::new();
    let units = pass.model.units.iter().zip(&pass.plan.matrices);
    for (unit, matrices) in units.filter(|(_, matrices)| !matrices.is_empty()) {
        let mut tensors = matrices.iter().map(|matrix| &matrix.tensor);
        note(pass.restore_unit(unit, matrices, &mut tile), &mut tensors)?;
    }
    for name in pass.model.raw.iter().filter(|name| !pass.plan.missing.contains(*name)) {
        note(pass.copy_raw(name), &mut std::iter::once(name))?;
    }
    Ok(())
}

impl Restoration {
    /// Changes the plan so that it omits these tensors. A file that would hold one of them is laid
    /// out anew with its other tensors.
    ///
    /// # Errors
    /// No tensor is left.
    pub(super) fn leave_out(&mut self, tensors: &BTreeSet<String>, model: &Path) -> Result<(), Error> {
        let files = std::mem::take(&mut self.files);
        let mut of_files: Vec<Vec<String>> = vec![Vec::new(); files.len()];
        for (tensor, target) in &self.targets {
            of_files[target.file].push(tensor.clone());
        }
        for (index, ((name, header), of_file)) in files.into_iter().zip(of_files).enumerate() {
            let all = of_file.len();
            let (lost, left): (Vec<_>, Vec<_>) = of_file.into_iter().partition(|tensor| tensors.contains(tensor));
            let kept: Vec<NewTensor> = left
                .iter()
                .map(|tensor| (tensor, &self.targets[tensor]))
                .map(|(tensor, Target { dtype, shape, bytes, .. })| NewTensor {
                    name: tensor.clone(),
                    dtype: dtype.clone(),
                    shape: shape.clone(),
                    bytes: *bytes,
                })
                .collect();
            let header = match (lost.is_empty(), kept.is_empty()) {
                (true, _) => header,
                (false, true) => {
                    self.notes.push(Note::NothingLeft { file: name, tensors: all });
                    lost.iter().for_each(|tensor| drop(self.targets.remove(tensor)));
                    continue;
                }
                (false, false) => {
                    self.notes.push(Note::PartLeft { file: name.clone(), left: kept.len(), tensors: all });
                    lost.iter().for_each(|tensor| drop(self.targets.remove(tensor)));
                    self.lay_out_anew(index, &header, kept, model)?
                }
            };
            for tensor in &left {
                self.targets.entry(tensor.clone()).and_modify(|target| target.file = self.files.len());
            }
            self.files.push((name, header));
        }
        if self.files.is_empty() {
            return Err(Error::NotAModel { path: model.to_path_buf(), reason: ModelReason::NothingLeft });
        }
        Ok(())
    }

    fn lay_out_anew(
        &mut self,
        file: usize,
        header: &[u8],
        tensors: Vec<NewTensor>,
        path: &Path,
    ) -> Result<Vec<u8>, Error> {
        let unreadable = |fault| Error::Unreadable { path: path.to_path_buf(), fault };
        let (_, json) = header.split_at(size_of::<u64>());
        let metadata = Header::parse_without_file(json, Most::ANY).map_err(unreadable)?.metadata;
        let layout = Layout::new(tensors).map_err(unreadable)?;
        let header = layout.header(&metadata).map_err(unreadable)?;
        for (name, info) in layout.tensors() {
            if let Some(target) = self.targets.get_mut(name).filter(|target| target.file == file) {
                target.position = header.len() as u64 + info.begin;
            }
        }
        Ok(header)
    }
}
